from pathlib import Path

import pytest

from bisenetformer_ros.ros.health.jetson import read_jetson


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def jetson(tmp_path):
    """The files of an Orin that are read, with their trailing newlines."""
    write(
        tmp_path,
        {
            "etc/nv_tegra_release": "# R36 (release)\n",
            "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=2 NAME=30W >\n",
            "var/lib/nvpmodel/status": "pmode:0002 fmode:quiet\n",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "48531\n",
            "sys/class/thermal/thermal_zone1/type": "gpu-thermal\n",
            "sys/class/thermal/thermal_zone1/temp": "45000\n",
            "sys/class/thermal/thermal_zone2/type": "cv0-thermal\n",  # powered down: its temperature cannot be read
            "sys/class/thermal/cooling_device0/type": "cpu-throttle-alert\n",
            "sys/class/thermal/cooling_device0/cur_state": "0\n",
            "sys/class/thermal/cooling_device1/type": "gpu-throttle-alert\n",
            "sys/class/thermal/cooling_device1/cur_state": "0\n",
            "sys/class/thermal/cooling_device2/type": "pwm-fan\n",
            "sys/class/thermal/cooling_device2/cur_state": "3\n",
        },
    )
    return tmp_path


def test_temperatures_throttling_and_power_mode_are_read(jetson):
    assert read_jetson(jetson) == {
        "temperature_cpu_c": "48.5",
        "temperature_gpu_c": "45.0",
        "throttling": "none",
        "power_mode": "30W",
    }


def test_active_alerts_are_named(jetson):
    write(jetson, {"sys/class/thermal/cooling_device1/cur_state": "1\n"})
    assert read_jetson(jetson)["throttling"] == "gpu-throttle-alert"


def test_power_mode_without_a_name_is_its_number(jetson):
    write(jetson, {"var/lib/nvpmodel/status": "pmode:0007\n"})
    assert read_jetson(jetson)["power_mode"] == "7"


def test_other_machines_have_no_values(jetson):
    (jetson / "etc/nv_tegra_release").unlink()
    assert read_jetson(jetson) == {}
