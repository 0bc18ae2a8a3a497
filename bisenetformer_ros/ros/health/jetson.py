"""Temperatures, throttling and power mode of a Jetson, from the files of its kernel and nvpmodel."""

import re
from pathlib import Path


def read_jetson(root: Path = Path("/")) -> dict[str, str]:
    """Read the key-value pairs for diagnostics.

    Returns:
        `temperature_<zone>_c` (degrees Celsius), `throttling` (active alerts, or "none") and `power_mode` (its name),
        as far as the machine has them; empty on other machines.
    """
    if not (root / "etc/nv_tegra_release").exists():
        return {}
    thermal = root / "sys/class/thermal"
    values = {}
    for zone in sorted(thermal.glob("thermal_zone*")):
        name, millidegrees = _read(zone / "type"), _read(zone / "temp")
        if name and millidegrees:
            values[f"temperature_{name.removesuffix('-thermal')}_c"] = f"{int(millidegrees) / 1000:.1f}"
    devices = {_read(device / "type"): _read(device / "cur_state") for device in thermal.glob("cooling_device*")}
    alerts = {name: state for name, state in devices.items() if name.endswith("-throttle-alert")}
    if alerts:
        on = sorted(name for name, state in alerts.items() if state not in ("", "0"))
        values["throttling"] = ", ".join(on) or "none"
    power_mode = _read_power_mode(root)
    if power_mode:
        values["power_mode"] = power_mode
    return values


def _read_power_mode(root: Path) -> str:
    """The name of the mode that nvpmodel set last, its number if it is not listed, or an empty string."""
    current = re.search(r"pmode:(\d+)", _read(root / "var/lib/nvpmodel/status"))
    if current is None:
        return ""
    number = int(current[1])
    name = re.search(rf"POWER_MODEL\s+ID={number}\s+NAME=(\S+)", _read(root / "etc/nvpmodel.conf"))
    return name[1] if name else str(number)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # a zone that is powered down cannot be read
        return ""
