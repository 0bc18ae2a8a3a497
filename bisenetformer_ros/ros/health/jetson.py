"""Temperatures, throttling and power mode of a Jetson, from the files of its kernel and nvpmodel."""

from pathlib import Path

from bisenetformer_ros.machine import power_mode


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
    if mode := power_mode(root):
        values["power_mode"] = mode
    return values


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # a zone that is powered down cannot be read
        return ""
