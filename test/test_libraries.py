"""Libraries that do not fit this machine are named in one line, without a traceback."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorrt_wheels import UnreachableError, download, environment

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.graph.onnx import ExportOptions, build_onnx
from bisenetformer_ros.libraries import check_opencv, check_torch
from bisenetformer_ros.segmenter import Segmenter

CACHE = Path(__file__).resolve().parents[1] / "build" / "opencv_for_numpy_1"


def run_with(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the modules of `directory` before all others."""
    command = [sys.executable, "-m", "bisenetformer_ros.cli", *arguments]
    return subprocess.run(command, env=environment(directory), capture_output=True, text=True)


def test_an_opencv_for_numpy_1_is_named() -> None:
    """With a real one, of the time of Ubuntu 22.04's."""
    if np.__version__.startswith("1."):
        pytest.skip("needs numpy 2")
    if not (CACHE / "cv2").is_dir():
        try:
            wheel = download("opencv-python-headless==4.5.5.64", CACHE)
        except UnreachableError as error:
            pytest.skip(str(error))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(CACHE)
    for command in (["segment", "street.jpg"], ["node"], ["export", "--help"]):
        result = run_with(CACHE, *command)
        assert result.returncode == 2
        assert result.stderr == (
            f"bisenetformer {command[0]}: error: OpenCV ({CACHE / 'cv2' / '__init__.py'}) is built for another numpy "
            f"than {np.__version__}, which is installed here; Ubuntu 22.04 and 24.04 need numpy 1: "
            "`pip install 'numpy<2'`\n"
        )


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("raise ImportError('libGL.so.1: cannot open')", "OpenCV ({}) cannot be imported: libGL.so.1: cannot open"),
        ("raise ModuleNotFoundError(name='cv2')", "cv2 is missing: `pip install opencv-python-headless"),
    ],
)
def test_an_opencv_that_cannot_be_imported_is_named(tmp_path: Path, statement: str, message: str) -> None:
    (tmp_path / "cv2.py").write_text(f"{statement}\n", encoding="utf-8")
    result = run_with(tmp_path, "segment", "street.jpg")
    assert result.stderr.startswith(f"bisenetformer segment: error: {message.format(tmp_path / 'cv2.py')}")
    assert result.stderr.count("\n") == 1
    assert result.returncode == 2


def test_an_extension_module_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    """As PyTorch without a library of JetPack."""
    (tmp_path / "torch.so").write_text("no library", encoding="utf-8")
    result = run_with(tmp_path, "segment", "street.jpg")
    assert result.stderr.startswith(f"bisenetformer segment: error: torch cannot be imported: {tmp_path}/torch.so: ")
    assert result.stderr.count("\n") == 1
    assert result.returncode == 2


def test_the_opencv_of_this_machine_passes() -> None:
    check_opencv()


@pytest.mark.parametrize(
    ("version", "is_enough"),
    [
        ("2.5.0a0+872d972e41.nv24.8", True),  # NVIDIA's for JetPack 6.1, which packaging sorts before 2.5
        ("2.5.1+cpu", True),
        ("2.10.0", True),
        ("2.4.1", False),
        ("1.13.0", False),
    ],
)
def test_versions_of_pytorch(monkeypatch: pytest.MonkeyPatch, version: str, is_enough: bool) -> None:
    monkeypatch.setattr(torch, "__version__", version)
    if is_enough:
        check_torch((2, 5), "inference", "update it")
    else:
        with pytest.raises(EngineError) as error:
            check_torch((2, 5), "inference", "update it")
        assert str(error.value) == f"inference needs PyTorch 2.5 or newer, this is {version}; update it"


def test_inference_checks_pytorch(monkeypatch: pytest.MonkeyPatch, random_weights: Path) -> None:
    monkeypatch.setattr(torch, "__version__", "2.2.0")
    with pytest.raises(EngineError, match=r"inference needs PyTorch 2\.3 or newer, this is 2\.2\.0"):
        Segmenter(random_weights, engine="torch")


def test_export_checks_pytorch(monkeypatch: pytest.MonkeyPatch, random_weights: Path) -> None:
    monkeypatch.setattr(torch, "__version__", "2.5.0a0+872d972e41.nv24.8")
    with pytest.raises(EngineError, match=r"export needs PyTorch 2\.8 or newer, this is 2\.5\.0a0.*on a workstation"):
        build_onnx(random_weights, ExportOptions("semantic", (32, 32)))
