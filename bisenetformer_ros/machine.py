"""The hardware and versions that this process runs on."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bisenetformer_ros import __version__

PACKAGES = ("torch", "numpy", "opencv-python-headless", "rclpy")
BF16_FLAGS = {"avx512_bf16", "amx_bf16"}


def describe_machine() -> dict[str, str]:
    """Describe the machine and the installed packages, by topic."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = _cpuinfo("model name") or platform.machine()  # ARM kernels report no name
    return {
        "processor": f"{processor}, {len(os.sched_getaffinity(0))} cores for this process",
        "memory": f"{memory_gib:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "versions": ", ".join([f"bisenetformer_ros {__version__}", *filter(None, map(_version, PACKAGES))]),
    }


def computes_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether an x86 processor multiplies bf16 itself; others widen to fp32 first, which is slower than fp32 alone."""
    return not BF16_FLAGS.isdisjoint(_cpuinfo("flags", cpuinfo).split())


def available_memory_mib(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Return the memory that new processes can get without swapping; None if the kernel does not say."""
    available = re.search(r"^MemAvailable:\s+(\d+) kB", _read(meminfo), re.MULTILINE)
    return int(available[1]) // 2**10 if available else None


def oversubscription() -> str:
    """Return how far the processes of this machine exceed its cores, on average over a minute; empty if they do not."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    return f"the load average is {load:.1f} on {cores} cores" if load > 1.25 * cores else ""


def power_mode(root: Path = Path("/")) -> str:
    """Return the name of the mode that a Jetson's nvpmodel set last, its number if it is not listed, else nothing."""
    current = re.search(r"pmode:(\d+)", _read(root / "var/lib/nvpmodel/status"))
    if current is None:
        return ""
    number = int(current[1])
    name = re.search(rf"POWER_MODEL\s+ID={number}\s+NAME=(\S+)", _read(root / "etc/nvpmodel.conf"))
    return name[1] if name else str(number)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _cpuinfo(key: str, path: Path = Path("/proc/cpuinfo")) -> str:
    """The first value of a key; empty if there is none."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""
