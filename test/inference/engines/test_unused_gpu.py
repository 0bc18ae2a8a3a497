"""Signs of a GPU, in the files of a board; PyTorch's view of it is set."""

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch
from small_graph import write_graph

from bisenetformer_ros.inference.engines import unused_gpu
from bisenetformer_ros.inference.engines.opening import open_engine
from bisenetformer_ros.inference.engines.unused_gpu import explain_unused_gpu, gpu_sign


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("dev/null", "dev/nvme0", "dev/nvidiactl", "etc/os-release"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture(autouse=True)
def no_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unused_gpu, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("dev/nvidia0", "/dev/nvidia0 exists"),
        ("dev/nvidia1", "/dev/nvidia1 exists"),  # the first one is not passed into a container
        ("dev/nvhost-gpu", "/dev/nvhost-gpu exists"),
        ("etc/nv_tegra_release", "this is a Jetson, by /etc/nv_tegra_release"),
        ("dev/video0", ""),
    ],
)
def test_a_gpu_shows_in_the_files_of_the_system(root: Path, name: str, sign: str) -> None:
    (root / name).touch()
    assert gpu_sign(root) == sign


def test_an_installed_tensorrt_is_a_sign(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unused_gpu, "find_spec", lambda name: ModuleSpec(name, None))
    assert gpu_sign(root) == "TensorRT is installed"


def test_without_a_gpu_or_by_request_there_is_nothing_to_explain(root: Path) -> None:
    assert explain_unused_gpu("auto", root=root) == ""
    (root / "dev/nvidia0").touch()
    assert explain_unused_gpu("cpu", root=root) == ""


@pytest.mark.parametrize(
    ("cuda", "available", "words"),
    [
        (None, False, f"PyTorch {torch.__version__} is built without CUDA; install one"),
        ("12.6", False, f"PyTorch {torch.__version__}, built for CUDA 12.6, sees none: compare with nvidia-smi"),
        ("12.6", True, "the network runs on the CPU: it likes to; or set device to cpu"),
    ],
)
def test_the_reason_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch, cuda: str | None, available: bool, words: str
) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    (root / "dev/nvidia0").touch()
    text = explain_unused_gpu("auto", "it likes to", root)
    assert text.startswith("this machine has an NVIDIA GPU (/dev/nvidia0 exists), but the network runs on the CPU: ")
    assert words in text


@pytest.mark.parametrize("name", ["torch", "onnxruntime", "openvino"])
def test_every_engine_that_ended_up_on_the_cpu_explains_it(
    random_weights: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(name)
    if torch.cuda.is_available():
        pytest.skip("it ends up on the GPU here")
    monkeypatch.setattr(unused_gpu, "gpu_sign", lambda root: "/dev/nvidia0 exists")
    path = random_weights if name == "torch" else write_graph(tmp_path / "red.onnx", "fp32", dynamic_batch=False)
    assert "the network runs on the CPU" in open_engine(path, "semantic", name, "auto").warning
    assert open_engine(path, "semantic", name, "cpu").warning == ""
