"""What set-up and docs/installation.md ask pip for can be resolved beside the packages of Ubuntu and JetPack."""

import json
import re
import runpy
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from unittest.mock import patch

import pytest
import workspace
from documents import ROOT, commands

NVIDIA = "2.5.0a0+872d972e41.nv24.8"
"""PyTorch of JetPack 6.1, which is on no index."""

pytestmark = pytest.mark.slow  # minutes per machine, for pip asks for hundreds of files


def resolve(python: str, machine: str, requirements: list[str], constraints: Path, wheels: Path) -> dict[str, str]:
    """Return package → version as pip resolves them for a machine, from wheels alone.

    Markers such as `python_version < "3.11"` are those of this Python, whatever `python` says.
    """
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(5, 36)]  # glibc 2.35: Ubuntu 22.04
    platforms.append(f"--platform=manylinux2014_{machine}")  # and the older names
    options = ["--dry-run", "--quiet", "--ignore-installed", "--only-binary=:all:", "--report=-", "--retries=1"]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *options, *platforms]
    command += [
        f"--python-version={python}",
        f"--target={wheels}",
        f"--find-links={wheels}",
        f"--constraint={constraints}",
    ]
    result = subprocess.run([*command, *requirements], capture_output=True, text=True)
    if re.search(r"Retrying|ConnectionError|Could not fetch URL", result.stderr):
        pytest.skip("no network")
    assert result.returncode == 0, result.stderr
    metadata = [package["metadata"] for package in json.loads(result.stdout)["install"]]
    return {package["name"].lower(): package["version"] for package in metadata}


@pytest.mark.parametrize(
    ("python", "machine", "system"),
    [
        ("3.10", "aarch64", {"numpy": "1.21.5", "torch": NVIDIA}),
        ("3.10", "x86_64", {"numpy": "1.21.5"}),
        ("3.12", "x86_64", {"numpy": "1.26.4"}),
    ],
    ids=["Humble and JetPack 6", "Humble", "Jazzy"],
)
def test_set_up_beside_ubuntus_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str, machine: str, system: dict[str, str]
) -> None:
    monkeypatch.setattr(workspace, "VENV", tmp_path)
    write_wheel(tmp_path, "torch", NVIDIA)
    asked = required(["dev", *workspace.choose_extras(system.get("torch"))])
    packages = resolve(python, machine, asked, workspace.write_constraints(system), tmp_path)
    assert packages["numpy"].startswith("1.")
    assert "onnxruntime" in packages
    if "torch" in system:
        assert packages["torch"] == NVIDIA
        assert [name for name in packages if name.startswith(("nvidia", "cuda"))] == []


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_lines_of_the_page_keep_numpy_1(tmp_path: Path, machine: str) -> None:
    lines = [command.words[2:] for command in commands("docs/installation.md") if "numpy<2" in command.words]
    constraints = tmp_path / "none.txt"
    constraints.touch()
    requirements = [word for words in lines for word in words]
    assert requirements.count("numpy<2") >= 3, shlex.join(requirements)
    assert resolve("3.10", machine, requirements, constraints, tmp_path)["numpy"].startswith("1.")


def required(extras: list[str]) -> list[str]:
    """Return what setup.py requires with some of its extras."""
    with patch("setuptools.setup") as setup:
        runpy.run_path(str(ROOT / "setup.py"))
    asked = setup.call_args.kwargs
    return [*asked["install_requires"], *(one for extra in extras for one in asked["extras_require"][extra])]


def write_wheel(folder: Path, name: str, version: str) -> None:
    """Write a wheel without modules."""
    information = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")
