"""The programs that colcon installs, and what CMake refuses to build."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bisenetformer_ros import __version__

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = ROOT / "install" / "bisenetformer_ros"
PROGRAMS = INSTALLED / "lib" / "bisenetformer_ros"


@pytest.fixture
def workspace() -> Path:
    setup = ROOT / "install" / "local_setup.bash"
    if not setup.is_file():
        pytest.skip("not built with colcon: make setup")
    return setup


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command with the system's PATH, as on a robot without a venv."""
    environment = dict(os.environ, PATH="/usr/bin:/bin")
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_a_sourced_workspace_has_the_command(workspace: Path) -> None:
    result = run("bash", "-c", 'source "$0" && command -v bisenetformer && bisenetformer --version', workspace)
    assert result.stdout.splitlines() == [f"{INSTALLED}/bin/bisenetformer", f"bisenetformer_ros {__version__}"]


def test_ros2_run_finds_the_command(workspace: Path) -> None:
    """`ros2 run` runs the executable files of lib/PACKAGE."""
    result = run(PROGRAMS / "bisenetformer", "segment", "nowhere.jpg")
    assert result.returncode == 2
    assert result.stderr.startswith("bisenetformer segment: error: ")


@pytest.mark.parametrize(
    ("node", "parameter"),
    [("segmentation_node", "score_threshold"), ("projection_node", "diagnostic_updater.period")],
)
def test_a_node_is_a_command_with_its_errors(workspace: Path, node: str, parameter: str) -> None:
    """With launch's way to pass arguments."""
    result = run(PROGRAMS / node, "--ros-args", "--log-level", "info", "--ros-args", "-p", f"{parameter}:=700.0")
    assert result.returncode == 2
    assert parameter in result.stderr
    assert "Traceback" not in result.stderr


def test_cmake_refuses_an_old_python_with_the_reason(tmp_path: Path) -> None:
    """As on Ubuntu 20.04 and JetPack 5, where the build passed and the import failed."""
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("no CMake here")
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.version_info = (3, 8, 10, 'final', 0)\n")
    result = subprocess.run(
        [cmake, "-S", ROOT, "-B", tmp_path / "build", f"-DPython3_EXECUTABLE={sys.executable}"],
        env=dict(os.environ, PYTHONPATH=str(tmp_path)),
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert f"bisenetformer_ros needs Python 3.10 or newer, {sys.executable} is 3.8.10" in " ".join(
        result.stderr.split()
    )
