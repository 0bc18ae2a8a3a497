from dataclasses import dataclass
from itertools import permutations
from math import log

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bisenetformer_ros.training.matcher import bce_cost, class_cost, dice_cost, match
from bisenetformer_ros.training.targets import Targets

NUM_CLASSES = 3


def pixel_centres(height: int, width: int) -> Tensor:
    """(H·W, 2) x and y in 0..1: sampling there is reading the pixels."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack(((x + 0.5) / width, (y + 0.5) / height), dim=2).reshape(-1, 2)


def pair_cost(class_logits: Tensor, mask_logits: Tensor, class_id: int, mask: Tensor) -> float:
    """Of one query and one segment, by the definition."""
    probability = mask_logits.sigmoid()
    bce = F.binary_cross_entropy(probability, mask.float())
    dice = 1 - (2 * (probability * mask).sum() + 1) / (probability.sum() + mask.sum() + 1)
    return float(2 * -class_logits.softmax(0)[class_id] + 5 * bce + 5 * dice)


def least_cost(costs: list[list[float]]) -> float:
    """Over all assignments; costs[query][target]."""
    num_queries, num_targets = len(costs), len(costs[0])
    if num_queries >= num_targets:
        options = permutations(range(num_queries), num_targets)
        return min(sum(costs[query][target] for target, query in enumerate(option)) for option in options)
    options = permutations(range(num_targets), num_queries)
    return min(sum(costs[query][target] for query, target in enumerate(option)) for option in options)


@dataclass
class Image:
    """Random predictions and segments; every pixel is in one segment or in none."""

    class_logits: Tensor
    mask_logits: Tensor
    class_ids: Tensor
    segment_map: Tensor

    @classmethod
    def random(cls, num_queries: int, num_segments: int, generator: torch.Generator) -> "Image":
        return cls(
            torch.randn(num_queries, NUM_CLASSES + 1, generator=generator) * 3,
            torch.randn(num_queries, 4, 6, generator=generator) * 3,
            torch.randint(0, NUM_CLASSES, (num_segments,), generator=generator),
            torch.randint(-1, num_segments, (4, 6), generator=generator, dtype=torch.int16),
        )

    def costs(self) -> list[list[float]]:
        """[query][segment]"""
        return [
            [
                pair_cost(classes, masks, int(class_id), self.segment_map == index)
                for index, class_id in enumerate(self.class_ids)
            ]
            for classes, masks in zip(self.class_logits, self.mask_logits, strict=True)
        ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("num_queries", "counts"), [(5, (3, 5)), (4, (4, 0, 1)), (2, (5, 1)), (1, (1, 1))])
def test_no_assignment_is_cheaper(num_queries: int, counts: tuple[int, ...], seed: int) -> None:
    """Images with different numbers of segments in one batch; with 5 segments for 2 queries, some go without."""
    generator = torch.Generator().manual_seed(seed)
    images = [Image.random(num_queries, count, generator) for count in counts]
    matches = match(
        torch.stack([image.class_logits for image in images]),
        torch.stack([image.mask_logits for image in images]),
        Targets(tuple(image.class_ids for image in images), torch.stack([image.segment_map for image in images])),
        pixel_centres(4, 6).expand(len(images), -1, -1),
    )
    assert matches.images.tolist() == sorted(matches.images.tolist())
    for index, (image, count) in enumerate(zip(images, counts, strict=True)):
        queries, segments = (part[matches.images == index] for part in (matches.queries, matches.segments))
        assert len(queries) == len(segments) == min(num_queries, count)
        assert len(set(queries.tolist())) == len(queries)
        assert segments.tolist() == sorted(set(segments.tolist()))
        if count:
            costs = image.costs()
            found = sum(costs[query][segment] for query, segment in zip(queries, segments, strict=True))
            assert found == pytest.approx(least_cost(costs), abs=1e-4)


def test_nothing_is_matched_to_nothing() -> None:
    nothing = Targets((torch.zeros(0, dtype=torch.int64),), torch.full((1, 4, 6), -1, dtype=torch.int16))
    matches = match(torch.randn(1, 5, 4), torch.randn(1, 5, 4, 6), nothing, torch.rand(1, 10, 2))
    assert [(part.shape, part.dtype) for part in matches] == [((0,), torch.int64)] * 3


def test_costs_by_hand() -> None:
    class_logits = torch.tensor([[[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, log(5), 0.0]]])
    torch.testing.assert_close(
        class_cost(class_logits, torch.tensor([[2, 0]])), torch.tensor([[[-0.25, -0.25], [-0.625, -0.125]]])
    )
    logits, masks = torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
    torch.testing.assert_close(bce_cost(logits, masks), torch.full((1, 1, 2), log(2)))
    # One half everywhere: 1 - (2 · 0.5 + 1) / (1 + 1 + 1) and 1 - (2 · 1 + 1) / (1 + 2 + 1).
    torch.testing.assert_close(dice_cost(logits, masks), torch.tensor([[[1 / 3, 1 / 4]]]))
    assert bce_cost(torch.tensor([[[1000.0, -1000.0]]]), masks).tolist() == [[[0.0, 500.0]]]


def test_non_finite_predictions_are_assigned_as_well() -> None:
    segment_map = torch.arange(24).view(1, 4, 6).to(torch.int16) % 2
    targets = Targets((torch.tensor([0, 1]),), segment_map)
    class_logits = torch.full((1, 3, 4), float("nan"))
    matches = match(class_logits, torch.randn(1, 3, 4, 6), targets, torch.rand(1, 10, 2))
    assert len(set(matches.queries.tolist())) == 2
    assert matches.segments.tolist() == [0, 1]
