from pathlib import Path

import pytest
import torch

from bisenetformer_ros.data.synthetic import StreetDrive
from bisenetformer_ros.engines import open_engine
from bisenetformer_ros.errors import EngineError, ModelError
from bisenetformer_ros.model import load_model


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """A street, (1, 3, 128, 160) float32 of 0..255."""
    rgb = StreetDrive(3, size=(128, 160))[10].rgb
    return torch.from_numpy(rgb.transpose(2, 0, 1).copy())[None].float()


def test_it_computes_what_the_model_computes(random_weights: Path, images: torch.Tensor) -> None:
    engine = open_engine(random_weights, "torch", "cpu", "fp32")
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
    exact, rounded = (
        open_engine("bisenetformer-nano-camvid", "torch", "cpu", precision).infer(images)
        for precision in ("fp32", "bf16")
    )
    assert rounded[0].dtype == rounded[1].dtype == torch.float32
    assert not torch.equal(exact[1], rounded[1])
    agreement = (semantic_labels(*exact) == semantic_labels(*rounded)).float().mean()
    assert agreement > 0.98


def test_it_says_what_it_is(random_weights: Path) -> None:
    engine = open_engine(random_weights, device="cpu")
    assert (engine.name, engine.device, engine.precision) == ("torch", "cpu", "fp32")
    assert engine.metadata.labels.name == "camvid11"


def test_sizes_may_change_from_call_to_call(random_weights: Path) -> None:
    engine = open_engine(random_weights, device="cpu")
    for size in ((64, 96), (96, 64), (64, 96)):
        class_logits, mask_logits = engine.infer(torch.zeros(1, 3, *size))
        assert mask_logits.shape == (1, class_logits.shape[1], size[0] // 8, size[1] // 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"engine": "tpu"}, "unknown engine 'tpu', expected one of auto"),
        ({"device": "gpu"}, "unknown device 'gpu', expected auto, cpu, cuda or cuda:N"),
        ({"device": "meta"}, "device 'meta' is not supported"),
        ({"device": "cpu", "precision": "int8"}, "unknown precision 'int8', expected auto, fp32, bf16, fp16"),
        ({"device": "cpu", "precision": "fp16"}, "precision fp16 needs a GPU"),
        ({"device": "cuda:99"}, r"device 'cuda:99' was asked for, but PyTorch .* sees \d+ CUDA devices here"),
    ],
)
def test_what_cannot_run_here_is_told(random_weights: Path, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        open_engine(random_weights, **arguments)


def test_a_missing_model_is_told() -> None:
    with pytest.raises(ModelError, match="model 'nowhere' is neither a file nor one of the shipped models"):
        open_engine("nowhere")


def test_a_damaged_model_is_told(tmp_path: Path) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"broken")
    with pytest.raises(ModelError, match=r"broken.safetensors: damaged"):
        open_engine(path, device="cpu")
