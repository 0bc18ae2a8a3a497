from pathlib import Path

import numpy as np
import pytest
import torch

from bisenetformer_ros.errors import EngineError, InputError, ModelError
from bisenetformer_ros.inference.engines.opening import open_engine
from bisenetformer_ros.inference.engines.torch import TorchEngine
from bisenetformer_ros.model import load_model
from bisenetformer_ros.resources import find_model
from bisenetformer_ros.streets import StreetDrive


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """A street, (1, 3, 128, 160) float32 of 0..255."""
    rgb = StreetDrive(3, size=(128, 160))[10].rgb
    return torch.from_numpy(rgb.transpose(2, 0, 1).copy())[None].float()


def test_it_computes_what_the_model_computes(random_weights: Path, images: torch.Tensor) -> None:
    engine = TorchEngine(random_weights, "semantic", "cpu", "fp32")
    with torch.no_grad():
        expected = load_model(random_weights)(images)
    for actual, plain in zip(engine.infer(images), expected, strict=True):
        assert (actual.dtype, actual.device.type) == (torch.float32, "cpu")
        assert not actual.requires_grad
        error = (actual - plain).abs().max() / plain.abs().max()
        assert error < 1e-4


def semantic_labels(class_logits: torch.Tensor, mask_logits: torch.Tensor) -> torch.Tensor:
    """(H/8, W/8) class of the largest sum over queries."""
    return torch.einsum("nc,nhw->chw", class_logits[0].softmax(1)[:, :-1], mask_logits[0].sigmoid()).argmax(0)


def test_bfloat16_changes_the_label_of_less_than_two_percent() -> None:
    frame = StreetDrive(2, size=(352, 480))[40]
    images = torch.from_numpy(frame.rgb.transpose(2, 0, 1).copy())[None].float()
    weights = find_model("bisenetformer-nano-camvid")
    exact, rounded = (
        TorchEngine(weights, "semantic", "cpu", precision).infer(images) for precision in ("fp32", "bf16")
    )
    assert rounded[0].dtype == rounded[1].dtype == torch.float32
    assert not torch.equal(exact[1], rounded[1])
    agreement = (semantic_labels(*exact) == semantic_labels(*rounded)).float().mean()
    assert agreement > 0.98


def test_its_attributes_describe_it(random_weights: Path) -> None:
    engine = open_engine(random_weights, "semantic", "torch", "cpu", "bf16")
    assert (engine.name, engine.device, engine.precision, engine.task) == ("torch", "cpu", "bf16", "semantic")
    assert engine.metadata.labels.name == "camvid11"


def test_sizes_may_change_from_call_to_call(random_weights: Path) -> None:
    engine = TorchEngine(random_weights, "semantic", "cpu")
    for size in ((64, 96), (96, 64), (64, 96)):
        class_logits, mask_logits = engine.infer(torch.zeros(1, 3, *size))
        assert mask_logits.shape == (1, class_logits.shape[1], size[0] // 8, size[1] // 8)


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
def test_a_batch_gives_what_its_frames_give_alone(task: str) -> None:
    engine = open_engine("bisenetformer-nano-camvid", task, "torch", "cpu", "fp32")
    frames = [StreetDrive(seed, size=(120, 161))[20].rgb for seed in (1, 2)]
    together = engine.segment(frames, 0.5, 0.5)
    alone = [engine.segment([frame], 0.5, 0.5)[0] for frame in frames]
    for one, other in zip(together, alone, strict=True):
        assert (one.label_map == other.label_map).mean() > 0.999  # sums of another order round differently
        assert len(one.segments) == len(other.segments)
    assert (together[0].label_map != together[1].label_map).any()


def test_frames_of_different_sizes_are_no_batch(random_weights: Path) -> None:
    engine = open_engine(random_weights, "semantic", "torch", "cpu")
    frames = [np.zeros((32, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)]
    with pytest.raises(InputError, match=r"one \(height, width\), got \(32, 64\), \(64, 64\)"):
        engine.segment(frames, 0.8, 0.8)
    with pytest.raises(InputError, match="at least one frame"):
        engine.segment([], 0.8, 0.8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"engine": "tpu"}, "unknown engine 'tpu', expected one of auto"),
        ({"device": "gpu"}, "unknown device 'gpu', expected auto, cpu, cuda or cuda:N"),
        ({"device": "meta"}, "device 'meta' is not supported"),
        (
            {"device": "cpu", "precision": "int8"},
            "; for int8 on cpu set engine to onnxruntime or openvino",
        ),
        (
            {"device": "cpu", "precision": "fp16"},
            "precision 'fp16' on cpu, expected one of auto, fp32, bf16",
        ),
        ({"device": "cpu", "precision": "fp8"}, "does not support precision 'fp8'"),
        ({"device": "cuda:99"}, r"device 'cuda:99' was requested, but PyTorch .* sees \d+ CUDA devices here"),
    ],
)
def test_what_cannot_run_here_is_rejected(random_weights: Path, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        open_engine(random_weights, **arguments)


def test_a_missing_model_is_reported() -> None:
    with pytest.raises(ModelError, match="model 'nowhere' is neither a file nor one of the shipped models"):
        open_engine("nowhere")


def test_a_corrupt_model_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"broken")
    with pytest.raises(ModelError, match=r"broken.safetensors: corrupt"):
        open_engine(path, device="cpu")
