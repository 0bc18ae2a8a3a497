"""Requires a checkout of github.com/FocoosAI/focoos in the environment variable FOCOOS_CHECKOUT."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bisenetformer_ros.benchmark.authors_sdk import SdkContestant, build_network
from bisenetformer_ros.benchmark.contestants import EngineContestant
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.model import build_model

CHECKOUT = os.environ.get("FOCOOS_CHECKOUT", "")
needs_checkout = pytest.mark.skipif(not CHECKOUT, reason="FOCOOS_CHECKOUT names no checkout of the authors' SDK")


@needs_checkout
def test_the_sdk_computes_our_function_and_upsamples_probabilities() -> None:
    torch.manual_seed(0)
    ours = build_model("bisenetformer-stdc1", 5, channels=32, dim=64, feedforward_dim=48, num_queries=9).eval()
    theirs = build_network(Path(CHECKOUT), ours)
    images = torch.rand(1, 3, 64, 96) * 255
    with torch.no_grad():
        output, (class_logits, mask_logits) = theirs(images), ours(images)
        masks = F.interpolate(mask_logits.sigmoid(), size=(64, 96), mode="bilinear", align_corners=False)
    torch.testing.assert_close(output.logits, class_logits.softmax(-1)[..., :-1], rtol=0, atol=1e-5)
    torch.testing.assert_close(output.masks, masks, rtol=0, atol=1e-5)


@needs_checkout
def test_the_sdks_label_map_equals_ours_in_coarse_order(random_weights: Path) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    theirs = SdkContestant(random_weights, Path(CHECKOUT)).open()(frame)
    ours = EngineContestant(random_weights, "semantic", "torch", "cpu", "fp32", (0.8, 0.8), "coarse").open()(frame)
    assert (theirs.label_map == ours.label_map).mean() > 0.99
    assert "torchvision" not in sys.modules


def test_a_folder_without_the_sdk_is_rejected(random_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not a checkout of the authors' SDK: it has no focoos/models"):
        SdkContestant(random_weights, tmp_path).open()


def test_other_backbones_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only STDC backbones, got ResNet"):
        build_network(tmp_path, build_model("bisenetformer-r50", 5, num_blocks=2))
