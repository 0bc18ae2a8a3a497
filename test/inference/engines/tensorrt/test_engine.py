"""What an engine does on the host, without TensorRT."""

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest

from bisenetformer_ros.inference.engines.tensorrt import engine
from bisenetformer_ros.inference.engines.tensorrt.engine import TensorRTEngine
from bisenetformer_ros.inference.engines.tensorrt.golden import GoldenCheck


class ReadOnlySidecar:
    """A sidecar on a file system that is mounted read-only."""

    def onnx_path(self, engine_path: Path) -> Path:
        return engine_path.with_suffix(".onnx")

    def with_golden(self, golden: GoldenCheck) -> "ReadOnlySidecar":
        return self

    def save(self, engine_path: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(engine_path))


def test_an_engine_on_a_read_only_file_system_is_compared_and_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = GoldenCheck(True, "agreement")
    monkeypatch.setattr(engine, "compare_with_onnxruntime", lambda *_: passed)
    opened = TensorRTEngine.__new__(TensorRTEngine)
    opened.graph = SimpleNamespace(frame_size=(6, 8))
    assert opened._compare(Path("street.engine"), ReadOnlySidecar()) is passed
