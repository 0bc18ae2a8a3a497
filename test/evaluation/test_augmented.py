from pathlib import Path

import numpy as np
import pytest
import torch

from bisenetformer_ros.errors import ConfigError, EngineError
from bisenetformer_ros.evaluation.augmented import SCALES, AugmentedSegmenter
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model import load_model
from bisenetformer_ros.model.checkpoint import load_checkpoint, save_model
from bisenetformer_ros.segmenter import Segmenter


@pytest.fixture
def rgb() -> np.ndarray:
    """Coarse blocks, so that a change of size does not change the content."""
    blocks = np.random.default_rng(0).integers(0, 256, (5, 8, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((16, 15, 1), np.uint8))


def augmented(weights: Path, *scales: float) -> AugmentedSegmenter:
    return AugmentedSegmenter(weights, device="cpu", precision="fp32", scales=scales)


@pytest.mark.parametrize("input_size", [None, 96, (96, 160)])
def test_one_run_scores_like_the_engine(
    semantic_weights: Path, rgb: np.ndarray, tmp_path: Path, input_size: int | tuple[int, int] | None
) -> None:
    """The image and its mirror image, each by the engine's own post-processing; where both agree, so does the mean."""
    model, metadata = load_checkpoint(semantic_weights)
    path = tmp_path / "sized.safetensors"
    sized = ModelMetadata("sized", metadata.architecture, metadata.labels, input_size, task="semantic")
    save_model(path, model, sized)
    segmenter = Segmenter(path, engine="torch", device="cpu", precision="fp32")
    one, other = segmenter(rgb), segmenter(np.ascontiguousarray(rgb[:, ::-1]))
    mirrored = (other.label_map[:, ::-1], other.confidence[:, ::-1])
    result = augmented(path, 1.0)(rgb)
    agreed = one.label_map == mirrored[0]
    assert agreed.mean() > 0.1
    np.testing.assert_array_equal(result.label_map[agreed], one.label_map[agreed])
    mean = (one.confidence.astype(float) + mirrored[1]) / 2
    assert np.abs(result.confidence - mean)[agreed].max() <= 2
    assert (result.panoptic_map, result.segments) == (None, ())


def test_scores_are_those_of_the_network(semantic_weights: Path, rgb: np.ndarray) -> None:
    """By the definition, for one size and a multiple of 32, where nothing is padded or resized."""
    rgb = np.ascontiguousarray(rgb[:64, :96])
    model = load_model(semantic_weights)
    expected = torch.zeros(11, 64, 96)
    for mirrored in (False, True):
        image = torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            class_logits, mask_logits = model(image.flip(3) if mirrored else image)
        masks = torch.nn.functional.interpolate(mask_logits, (64, 96), mode="bilinear")[0].sigmoid()
        for probabilities, mask in zip(class_logits[0].softmax(1), masks, strict=True):
            scores = probabilities[:11, None, None] * mask
            expected += (scores.flip(2) if mirrored else scores) / 2
    torch.testing.assert_close(augmented(semantic_weights, 1.0).class_scores(rgb), expected, rtol=0, atol=1e-4)


def test_scores_are_the_mean_over_the_sizes(semantic_weights: Path, rgb: np.ndarray) -> None:
    parts = [augmented(semantic_weights, scale).class_scores(rgb) for scale in (0.5, 1.0, 1.75)]
    assert float((parts[0] - parts[1]).abs().max()) > 0.01
    mean = torch.stack(parts).mean(dim=0)
    torch.testing.assert_close(augmented(semantic_weights, 0.5, 1.0, 1.75).class_scores(rgb), mean, rtol=0, atol=1e-5)


def test_a_mirrored_image_has_the_mirrored_result(semantic_weights: Path, rgb: np.ndarray) -> None:
    segmenter = augmented(semantic_weights, *SCALES[:3])
    scores, mirrored = segmenter.class_scores(rgb), segmenter.class_scores(np.ascontiguousarray(rgb[:, ::-1]))
    torch.testing.assert_close(mirrored.flip(2), scores, rtol=0, atol=1e-5)


def test_panoptic_segments_are_refused(random_weights: Path, semantic_weights: Path) -> None:
    with pytest.raises(ConfigError, match=r"takes the semantic task, got panoptic\. Set --task semantic"):
        AugmentedSegmenter(random_weights, device="cpu")
    with pytest.raises(ConfigError, match="got panoptic"):
        AugmentedSegmenter(semantic_weights, task="panoptic", device="cpu")
    segmenter = AugmentedSegmenter(random_weights, task="semantic", device="cpu")
    assert (segmenter.task, segmenter.labels) == ("semantic", LabelMap.load("camvid11"))
    with pytest.raises(EngineError, match="unknown device"):
        AugmentedSegmenter(semantic_weights, device="tpu")
