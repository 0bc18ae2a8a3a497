"""The names that scripts outside this project rely on, used as the README uses them."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from documents import blocks

from bisenetformer_ros.model import build_model, load_model
from bisenetformer_ros.results import Segment, SegmentationResult
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
