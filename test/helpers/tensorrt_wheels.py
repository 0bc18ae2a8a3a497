"""The real Python bindings of TensorRT from PyPI, importable without TensorRT: its libraries are replaced by stubs.

The bindings are small; they need about ten C functions of libraries that weigh gigabytes and want a GPU. Libraries of
the same names in which every function returns NULL are enough to import the bindings and look at the real classes.
"""

import ctypes
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "tensorrt_bindings"

DISTRIBUTIONS = {
    "8.6.1": "tensorrt-bindings",
    "10.3.0": "tensorrt-cu12-bindings",
    "10.13.3.9": "tensorrt-cu12-bindings",
    "11.4.0.106": "tensorrt-cu13-bindings",
}
"""Version → distribution: what JetPack 5 and 6.0, JetPack 6.1 and 6.2, JetPack 7 and a desktop of today have."""

NEWEST_PYTHON = {"8.6.1": (3, 11), "10.3.0": (3, 12)}
"""The other versions have wheels for every Python that this package supports."""


class UnreachableError(Exception):
    """PyPI cannot be reached."""


def bindings(version: str) -> Path:
    """A directory with the package `tensorrt_bindings` of that version and, in `libraries/`, the stubs that it needs.

    Downloaded once. Raises UnreachableError without a network.
    """
    directory = CACHE / f"{version}-{sys.implementation.cache_tag}"
    finished = directory / "finished"
    if not finished.exists():
        wheel = download(f"{DISTRIBUTIONS[version]}=={version}", directory)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(directory)
        _write_stubs(directory / "tensorrt_bindings" / "tensorrt.so", directory / "libraries")
        finished.touch()
    return directory


def environment(directory: Path) -> dict[str, str]:
    """The variables with which a process finds those bindings, their stubs and this checkout."""
    path = [str(directory), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path), "LD_LIBRARY_PATH": str(directory / "libraries")}


def download(requirement: str, directory: Path) -> Path:
    """Download a wheel into a directory without others. Raises UnreachableError without a network."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--retries=1",
        "--timeout=20",
    ]
    result = subprocess.run([*command, "--dest", directory, requirement], capture_output=True, text=True)
    if result.returncode != 0:
        if re.search(r"Retrying|ConnectionError|Could not fetch URL", result.stderr):
            raise UnreachableError(f"PyPI is out of reach for {requirement}")
        raise RuntimeError(result.stderr)
    (wheel,) = directory.glob("*.whl")
    return wheel


def _write_stubs(extension: Path, libraries: Path) -> None:
    """A library for each of NVIDIA's that the extension needs, each with all functions that nothing else provides."""
    libraries.mkdir(exist_ok=True)
    needed = re.findall(r"NEEDED.*\[(libnv.*)\]", _output("readelf", "--dynamic", "--wide", str(extension)))
    undefined = re.findall(r"^ +U (\w+)$", _output("nm", "--dynamic", "--undefined-only", str(extension)), re.MULTILINE)
    process = ctypes.CDLL(None)  # Python itself and the C library, versioned or not
    functions = [name for name in undefined if not hasattr(process, name)]
    source = libraries / "stubs.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in functions))
    for library in needed:
        _output("gcc", "-shared", "-fPIC", f"-Wl,-soname,{library}", "-o", str(libraries / library), str(source))


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
