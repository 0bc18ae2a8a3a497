"""Where ROS 2 comes from: an installation that is sourced, or wheels in the venv."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from checks import SetupError, check_wheels_exist

DEFAULT_DISTRO = "kilted"
REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"

# Headers of the machine that built the wheels, as their exported CMake files name them.
_BUILDER_PYTHON = re.compile(r"/opt/python/[^/;\"]+/include/python3\.\d+")
_BUILDER_NUMPY = re.compile(r"/opt/python/[^;\"]+/numpy/(?:_core|core)/include")


@dataclass(frozen=True)
class Ros:
    """distro: "kilted"; prefix: the installation it lives in, None for wheels."""

    distro: str
    prefix: str | None = None

    def __str__(self) -> str:
        return f"ROS 2 {self.distro.capitalize()} " + (f"in {self.prefix}" if self.prefix else "from wheels")

    def check(self) -> None:
        """Raises SetupError if this machine or this Python cannot use it."""
        if self.prefix is not None:
            self._check_installation()
            return
        check_wheels_exist()
        if not self.requirements()[0].is_file():
            raise SetupError(
                f"ROS_DISTRO={self.distro}: wheels exist for kilted and jazzy; choose one of them, or source the "
                f"setup.bash of an installed {self.distro}"
            )

    def requirements(self) -> list[Path]:
        """The requirement files that bring it, none for an installation."""
        return [] if self.prefix else [REQUIREMENTS / f"{self.distro}.txt"]

    def _check_installation(self) -> None:
        if subprocess.run([sys.executable, "-c", "import rclpy"], capture_output=True).returncode != 0:
            raise SetupError(
                f"{sys.executable} cannot import rclpy of {self.prefix}; use the Python that it was built for: "
                "make setup PYTHON=/usr/bin/python3"
            )


def find_ros(environ: Mapping[str, str], root: Path, previous: Ros | None) -> Ros:
    """The ROS 2 to use: the sourced one, else the distribution asked for, else the one of last time or the default."""
    for prefix in environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix and (Path(prefix) / "share" / "rclpy").is_dir() and root not in Path(prefix).parents:
            return Ros(environ.get("ROS_DISTRO", "unknown"), prefix)
    if environ.get("ROS_DISTRO"):
        return Ros(environ["ROS_DISTRO"])
    if previous and previous.prefix:
        raise SetupError(
            f"this workspace was set up for {previous}, which is not sourced; run source {previous.prefix}/setup.bash "
            f"first, or change to wheels: make setup ROS_DISTRO={DEFAULT_DISTRO}"
        )
    return previous or Ros(DEFAULT_DISTRO)


def point_wheels_at_this_python(venv: Path) -> None:
    """Replaces the header directories of the wheels' builder by those of the venv's Python and numpy."""
    query = "import numpy, sysconfig; print(sysconfig.get_paths()['include']); print(numpy.get_include())"
    output = subprocess.run([venv / "bin" / "python", "-c", query], check=True, capture_output=True, text=True).stdout
    python_include, numpy_include = output.splitlines()
    for file in (venv / "share").rglob("*.cmake"):
        text = file.read_text(encoding="utf-8")
        patched = _BUILDER_NUMPY.sub(lambda _: numpy_include, text)
        patched = _BUILDER_PYTHON.sub(lambda _: python_include, patched)
        if patched != text:
            file.write_text(patched, encoding="utf-8")
