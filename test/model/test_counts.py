"""Parameters and multiply-accumulates of every variant against the numbers that the paper reports."""

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bisenetformer_ros.model import build_model
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer

# Variant, classes, (height, width), parameters in millions, least and most GMACs.
PAPER = [
    ("bisenetformer-stdc1", 19, (1024, 2048), 13.10, 55.8, 56.6),
    ("bisenetformer-stdc2", 19, (1024, 2048), 17.13, 82.3, 83.1),
    ("bisenetformer-stdc2", 150, (512, 512), 17.16, 10.9, 10.9),
    ("bisenetformer-stdc2", 150, (640, 640), 17.16, 16.7, 16.7),
    ("bisenetformer-stdc1", 150, (512, 512), 13.13, 7.7, 7.7),
    ("bisenetformer-r50", 19, (1024, 2048), 31.7, 198.0, 199.0),
    ("bisenetformer-r50", 150, (640, 640), 31.7, 39.2, 39.2),
]


def build_on_meta(name: str, num_classes: int, **options: int) -> BiSeNetFormer:
    with torch.device("meta"):
        return build_model(name, num_classes, **options).eval().requires_grad_(False)


def count_parameters(model: BiSeNetFormer) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def count_gmacs(model: BiSeNetFormer, size: tuple[int, int]) -> float:
    """Count the unoptimized form, which predicts after every block; normalizations do not count."""
    images = torch.empty(1, 3, *size, device="meta")
    with FlopCounterMode(display=False) as counter:
        features = model.extract(images)
        model.decoder.predict_all(features.levels, features.mask)
    return counter.get_total_flops() / 2e9


@pytest.mark.parametrize(("name", "num_classes", "size", "megaparameters", "least_gmacs", "most_gmacs"), PAPER)
def test_counts_equal_the_papers(
    name: str, num_classes: int, size: tuple[int, int], megaparameters: float, least_gmacs: float, most_gmacs: float
) -> None:
    model = build_on_meta(name, num_classes)
    assert count_parameters(model) / 1e6 == pytest.approx(megaparameters, rel=0.01)
    assert 0.97 * least_gmacs <= count_gmacs(model, size) <= 1.03 * most_gmacs


@pytest.mark.parametrize(("num_queries", "gmacs"), [(50, 80), (100, 83), (200, 88)])
def test_queries_cost_as_in_table_7(num_queries: int, gmacs: float) -> None:
    model = build_on_meta("bisenetformer-stdc2", 19, num_queries=num_queries)
    assert count_gmacs(model, (1024, 2048)) == pytest.approx(gmacs, rel=0.03)


def test_the_nano_is_small() -> None:
    assert count_parameters(build_on_meta("bisenetformer-nano", 11)) <= 4e6


@pytest.mark.parametrize("num_levels", [2, 3])
@pytest.mark.parametrize("num_stages", [1, 2, 3])
def test_ablations_differ_only_in_blocks_and_level_projections(num_stages: int, num_levels: int) -> None:
    model = build_on_meta("bisenetformer-stdc1", 19, num_blocks=num_stages * num_levels, num_levels=num_levels)
    blocks, projections = (list(parts) for parts in (model.decoder.blocks, model.decoder.level_projections))
    assert (len(blocks), len(projections)) == (num_stages * num_levels, num_levels)
    one_block = sum(parameter.numel() for parameter in blocks[0].parameters())
    missing_blocks, missing_projections = 6 - len(blocks), 2 - len(projections)
    of_the_paper = count_parameters(build_on_meta("bisenetformer-stdc1", 19))
    expected = of_the_paper - missing_blocks * one_block - missing_projections * (128 * 256 + 256)
    assert count_parameters(model) == expected
    class_logits, mask_logits = run_on_meta(model, (64, 96))
    assert (class_logits.shape, mask_logits.shape) == ((1, 100, 20), (1, 100, 8, 12))


def run_on_meta(model: BiSeNetFormer, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    return model(torch.empty(1, 3, *size, device="meta"))
