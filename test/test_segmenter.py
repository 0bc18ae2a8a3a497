from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bisenetformer_ros.errors import ConfigError, EngineError, InputError, ModelError
from bisenetformer_ros.inference.tracking import Tracker
from bisenetformer_ros.model import load_model
from bisenetformer_ros.model.checkpoint import load_checkpoint, save_model
from bisenetformer_ros.segmenter import Segmenter

IMAGE = np.random.default_rng(0).integers(0, 256, (70, 101, 3), dtype=np.uint8)


def test_semantic_is_what_the_plain_network_says(random_weights: Path) -> None:
    result = Segmenter(random_weights, "torch", "semantic", "cpu", "fp32")(IMAGE)
    mean = torch.tensor((123.675, 116.28, 103.53))
    padded = mean.repeat(96, 128, 1)
    padded[:70, :101] = torch.from_numpy(IMAGE).float()
    with torch.inference_mode():
        class_logits, mask_logits = load_model(random_weights)(padded.permute(2, 0, 1)[None])
    masks = F.interpolate(mask_logits, (96, 128), mode="bilinear", align_corners=False)[0, :, :70, :101].sigmoid()
    scores = torch.einsum("qc,qhw->chw", class_logits[0].softmax(-1)[:, :-1], masks).numpy()
    chosen = np.take_along_axis(scores, result.label_map[None].astype(int), axis=0)[0]
    np.testing.assert_allclose(chosen, scores.max(axis=0), rtol=1e-3)
    assert result.panoptic_map is None


def test_the_task_is_that_of_the_weights(semantic_weights: Path, random_weights: Path) -> None:
    segmenter = Segmenter(semantic_weights, device="cpu")
    result = segmenter(IMAGE)
    assert (segmenter.task, segmenter.task_warning) == ("semantic", "")
    assert result.panoptic_map is None
    assert result.label_map.max() < 11
    assert Segmenter(random_weights, device="cpu").task == "panoptic"


def test_panoptic_results_of_semantic_weights_come_with_a_warning(semantic_weights: Path, random_weights: Path) -> None:
    segmenter = Segmenter(semantic_weights, task="panoptic", device="cpu")
    assert segmenter(IMAGE).panoptic_map is not None
    assert "trained for the semantic task" in segmenter.task_warning
    assert Segmenter(random_weights, task="semantic", device="cpu").task_warning == ""


def test_tracking_gives_the_ids_of_the_tracker(random_weights: Path) -> None:
    segmenter = Segmenter(random_weights, "torch", "auto", "cpu", "fp32", score_threshold=0.0, overlap_threshold=0.0)
    track, tracker = segmenter.track(max_missing=2), Tracker(max_missing=2)
    for number in range(3):
        image = np.roll(IMAGE, 2 * number, axis=1)
        result, expected = track(image, 0.1 * number), tracker.update(segmenter(image), 0.1 * number)
        np.testing.assert_array_equal(result.panoptic_map, expected.panoptic_map)
        assert result.segments == expected.segments
        assert len(result.segments) > 0


def test_times_are_measured(random_weights: Path) -> None:
    times = Segmenter(random_weights, device="cpu")(IMAGE).times_ms
    assert times is not None
    assert all(milliseconds > 0 for milliseconds in vars(times).values())


def test_thresholds_can_change_between_calls(random_weights: Path) -> None:
    segmenter = Segmenter(random_weights, device="cpu", score_threshold=0.0, overlap_threshold=0.0)
    everything = segmenter(IMAGE)
    assert len(everything.segments) > 0
    segmenter.score_threshold = 1.0
    nothing = segmenter(IMAGE)
    assert nothing.segments == ()
    assert (nothing.label_map == 255).all()


@pytest.mark.parametrize("input_size", [None, 64, (64, 96)])
@pytest.mark.parametrize("size", [(1, 1), (33, 200), (150, 40)])
def test_any_image_comes_back_at_its_own_size(
    random_weights: Path, tmp_path: Path, input_size: int | tuple[int, int] | None, size: tuple[int, int]
) -> None:
    model, metadata = load_checkpoint(random_weights)
    save_model(tmp_path / "sized.safetensors", model, replace(metadata, input_size=input_size))
    segmenter = Segmenter(tmp_path / "sized.safetensors", device="cpu", score_threshold=0.0)
    segmenter.warm_up(size)
    result = segmenter(np.full((*size, 3), 50, np.uint8))
    assert result.panoptic_map is not None
    assert result.label_map.shape == result.confidence.shape == result.panoptic_map.shape == size


def test_what_cannot_work_is_refused(random_weights: Path) -> None:
    with pytest.raises(ConfigError, match="unknown task 'instance', expected one of semantic, panoptic, auto"):
        Segmenter(random_weights, task="instance")
    with pytest.raises(ModelError, match="'nothing-like-this' is neither a file"):
        Segmenter("nothing-like-this")
    with pytest.raises(EngineError, match="unknown engine 'steam'"):
        Segmenter(random_weights, engine="steam")
    with pytest.raises(InputError, match="float64"):
        Segmenter(random_weights, device="cpu")(IMAGE.astype(float))
