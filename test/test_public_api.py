"""The names that scripts outside this project rely on, used as the README uses them."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from documents import blocks

from bisenetformer_ros.errors import ConfigError, InputError, ModelError
from bisenetformer_ros.model import build_model, load_model
from bisenetformer_ros.resources import find_model
from bisenetformer_ros.results import Segment, SegmentationResult
from bisenetformer_ros.segmenter import Segmenter
from bisenetformer_ros.streets import StreetDrive


@pytest.mark.parametrize("variant", ["stdc1", "stdc2", "r50", "nano"])
def test_networks_are_built_by_name(variant: str) -> None:
    network = build_model(f"bisenetformer-{variant}", num_classes=19, num_queries=7, num_blocks=2, num_levels=2).eval()
    with torch.inference_mode():
        class_logits, mask_logits = network(255 * torch.rand(2, 3, 64, 96))
    assert class_logits.shape == (2, 7, 20)
    assert mask_logits.shape == (2, 7, 8, 12)


def test_networks_are_loaded_from_files(random_weights: Path) -> None:
    network = load_model(random_weights)
    assert not network.training
    with torch.inference_mode():
        class_logits, mask_logits = network(255 * torch.rand(1, 3, 32, 64))
    assert class_logits.shape[-1] == 12
    assert mask_logits.shape[-2:] == (4, 8)


def test_networks_are_loaded_by_the_names_that_segmenters_take() -> None:
    by_name, by_path = (load_model(of) for of in ("bisenetformer-nano-camvid", find_model("bisenetformer-nano-camvid")))
    assert torch.equal(by_name.decoder.query_feat.weight, by_path.decoder.query_feat.weight)
    with pytest.raises(ModelError, match="'nano' is neither a file nor one of the shipped models: bisenetformer-nano-"):
        load_model("nano")


@pytest.mark.parametrize("value", [5, -0.5, float("nan"), "high", None])
@pytest.mark.parametrize("name", ["score_threshold", "overlap_threshold"])
def test_thresholds_are_checked_at_once(random_weights: Path, name: str, value: Any) -> None:
    refusal = rf"{name}: expected a number of 0\.\.1, got {value}"
    with pytest.raises(ConfigError, match=refusal):
        Segmenter(random_weights, device="cpu", **{name: value})
    segmenter = Segmenter(random_weights, device="cpu", **{name: 0.25})
    with pytest.raises(ConfigError, match=refusal):
        setattr(segmenter, name, value)
    assert getattr(segmenter, name) == 0.25


@pytest.mark.parametrize("several", [np.stack, list, tuple])
def test_several_images_are_answered_with_the_loop(random_weights: Path, several: Callable[..., Any]) -> None:
    segmenter, images = Segmenter(random_weights, device="cpu"), [np.zeros((40, 60, 3), np.uint8)] * 3
    with pytest.raises(InputError, match=r"expected one image \(H, W, 3\), got 3 images; ") as caught:
        segmenter(several(images))
    loop = str(caught.value).split("one by one: ")[1]
    results = eval(loop, {"segmenter": segmenter, "images": images})
    assert [result.label_map.shape for result in results] == [(40, 60)] * 3


def test_the_example_of_the_readme_segments_a_frame() -> None:
    (example,) = blocks("README.md", "python")
    variables = {"rgb": StreetDrive(3, size=(120, 160))[20].rgb}
    exec(example, variables)
    result = variables["result"]
    assert isinstance(result, SegmentationResult)
    assert (result.label_map.shape, result.label_map.dtype) == ((120, 160), np.uint8)
    assert (result.confidence.shape, result.confidence.dtype) == ((120, 160), np.uint8)
    assert (result.panoptic_map.shape, result.panoptic_map.dtype) == ((120, 160), np.uint16)
    assert {segment.id for segment in result.segments} == set(np.unique(result.panoptic_map)) - {0}
    names = "id, class_id, class_name, is_thing, score, area, box_xyxy, centroid_xy"
    assert ", ".join(field.name for field in fields(Segment)) == names
    assert f"# {names}" in example
