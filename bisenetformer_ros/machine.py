"""What a measurement was made on: versions and hardware."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bisenetformer_ros import __version__

PACKAGES = ("torch", "numpy", "opencv-python-headless", "rclpy")


def describe_machine() -> dict[str, str]:
    """Name → value, for people."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores for this process",
        "memory": f"{memory_gib:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "versions": ", ".join([f"bisenetformer_ros {__version__}", *filter(None, map(_version, PACKAGES))]),
    }


def _processor() -> str:
    """The kernel's name of it; ARM kernels tell none."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""
