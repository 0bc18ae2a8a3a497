from itertools import permutations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bisenetformer_ros.training.matcher import bce_cost, class_cost, dice_cost, match
from bisenetformer_ros.training.targets import Target

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


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("num_queries", "num_targets"), [(5, 3), (4, 4), (2, 5), (1, 1)])
def test_no_assignment_is_cheaper(num_queries: int, num_targets: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    class_logits = torch.randn(num_queries, NUM_CLASSES + 1, generator=generator) * 3
    mask_logits = torch.randn(num_queries, 4, 6, generator=generator) * 3
    masks = (torch.rand(num_targets, 4, 6, generator=generator) < 0.5).to(torch.uint8)
    class_ids = torch.randint(0, NUM_CLASSES, (num_targets,), generator=generator)
    queries, targets = match(class_logits, mask_logits, Target(class_ids, masks), pixel_centres(4, 6))

    assert len(queries) == len(targets) == min(num_queries, num_targets)
    assert len(set(queries.tolist())) == len(queries)
    assert targets.tolist() == sorted(set(targets.tolist()))
    costs = [
        [pair_cost(class_logits[q], mask_logits[q], int(class_ids[t]), masks[t]) for t in range(num_targets)]
        for q in range(num_queries)
    ]
    found = sum(costs[q][t] for q, t in zip(queries.tolist(), targets.tolist(), strict=True))
    assert found == pytest.approx(least_cost(costs), abs=1e-4)


def test_nothing_is_matched_to_nothing() -> None:
    nothing = Target(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4, 6, dtype=torch.uint8))
    queries, targets = match(torch.randn(5, 4), torch.randn(5, 4, 6), nothing, torch.rand(10, 2))
    assert queries.shape == targets.shape == (0,)
    assert queries.dtype == targets.dtype == torch.int64


def test_costs_by_hand() -> None:
    assert class_cost(torch.tensor([[0.0, 0.0, 0.0, 0.0]]), torch.tensor([2, 0])).tolist() == [[-0.25, -0.25]]
    logits, masks = torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    assert bce_cost(logits, masks)[0].tolist() == pytest.approx([0.693147, 0.693147], abs=1e-6)
    # One half everywhere: 1 - (2 · 0.5 + 1) / (1 + 1 + 1) and 1 - (2 · 1 + 1) / (1 + 2 + 1).
    assert dice_cost(logits, masks)[0].tolist() == pytest.approx([1 / 3, 1 / 4])
    assert bce_cost(torch.tensor([[1000.0, -1000.0]]), masks)[0].tolist() == [0.0, 500.0]


def test_predictions_that_are_no_numbers_are_assigned_all_the_same() -> None:
    target = Target(torch.tensor([0, 1]), torch.ones(2, 4, 6, dtype=torch.uint8))
    queries, targets = match(torch.full((3, 4), float("nan")), torch.randn(3, 4, 6), target, torch.rand(10, 2))
    assert len(set(queries.tolist())) == 2
    assert targets.tolist() == [0, 1]
