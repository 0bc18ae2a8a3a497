"""What an engine does on the host, without TensorRT."""

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bisenetformer_ros.errors import EngineError
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
    opened.graph, opened._max_batch = SimpleNamespace(frame_size=(6, 8)), 1
    assert opened._compare(Path("street.engine"), ReadOnlySidecar()) is passed


@pytest.mark.parametrize(("device", "expected"), [("auto", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1")])
def test_a_gpu_is_chosen_by_its_number(device: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert engine.cuda_device(device) == torch.device(expected)


@pytest.mark.parametrize("device", ["cpu", "cuda:2", "gpu", "cuda:one", "cuda:-1", ""])
def test_a_device_that_is_no_gpu_here_is_rejected(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(EngineError, match=f"cannot run on device '{device}', expected auto or cuda:0 to cuda:1"):
        engine.cuda_device(device)
