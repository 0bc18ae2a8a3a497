"""Masks that are the same everywhere: where the points fall does not matter, and every loss has a closed form."""

from itertools import permutations
from math import exp, log

import pytest
import torch
from torch import Tensor

from bisenetformer_ros.training import criterion, points
from bisenetformer_ros.training.criterion import Criterion, bce_loss, dice_loss
from bisenetformer_ros.training.points import random_points
from bisenetformer_ros.training.targets import Targets

NUM_CLASSES, NUM_POINTS = 3, 16


def flat_masks(values: list[float], height: int = 4, width: int = 6) -> Tensor:
    """(len(values), H, W), one value per mask."""
    return torch.tensor(values)[:, None, None].expand(-1, height, width).contiguous()


def target_of(class_ids: list[int], full: list[int]) -> Targets:
    """An image whose segments fill it (1, at most one of them) or have no pixel (0)."""
    index = full.index(1) if 1 in full else -1
    return Targets((torch.tensor(class_ids, dtype=torch.int64),), torch.full((1, 8, 12), index, dtype=torch.int16))


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def softmax(logits: list[float]) -> list[float]:
    total = sum(exp(x) for x in logits)
    return [exp(x) / total for x in logits]


def bce(logit: float, full: int) -> float:
    return -log(sigmoid(logit) if full else 1 - sigmoid(logit))


def dice(logit: float, full: int) -> float:
    inside, area = NUM_POINTS * sigmoid(logit), NUM_POINTS * full
    return 1 - (2 * inside * full + 1) / (inside + area + 1)


def ids_and_fullness(target: Targets) -> tuple[list[int], list[int]]:
    ids = target.class_ids[0].tolist()
    return ids, [int(target.segment_maps[0, 0, 0] == index) for index in range(len(ids))]


def assignment(classes: list[list[float]], logits: list[float], target: Targets) -> list[tuple[int, int]]:
    """The cheapest (query, segment) pairs, found by trying all."""
    ids, full = ids_and_fullness(target)

    def cost(q: int, t: int) -> float:
        return -2 * softmax(classes[q])[ids[t]] + 5 * bce(logits[q], full[t]) + 5 * dice(logits[q], full[t])

    queries, targets = range(len(logits)), range(len(ids))
    if len(queries) >= len(targets):
        options = [list(zip(option, targets, strict=True)) for option in permutations(queries, len(targets))]
    else:
        options = [list(zip(queries, option, strict=True)) for option in permutations(targets, len(queries))]
    return min(options, key=lambda pairs: sum(cost(q, t) for q, t in pairs))


def worked_losses(
    classes: list[list[list[float]]], logits: list[list[float]], targets: list[Targets]
) -> tuple[float, float, float]:
    """Class, BCE and dice loss of one prediction for a batch, weighted 2, 5, 5."""
    class_sum, weight_sum, bce_sum, dice_sum = 0.0, 0.0, 0.0, 0.0
    for of_image, masks, target in zip(classes, logits, targets, strict=True):
        pairs = dict(assignment(of_image, masks, target))
        ids, fullness = ids_and_fullness(target)
        for query, values in enumerate(of_image):
            expected = ids[pairs[query]] if query in pairs else NUM_CLASSES
            weight = 1.0 if query in pairs else 0.1
            class_sum -= weight * log(softmax(values)[expected])
            weight_sum += weight
        for query, index in pairs.items():
            bce_sum += bce(masks[query], fullness[index])
            dice_sum += dice(masks[query], fullness[index])
    num_masks = max(1, sum(sum(target.counts) for target in targets))
    return 2 * class_sum / weight_sum, 5 * bce_sum / num_masks, 5 * dice_sum / num_masks


TARGETS = {
    "one each": [target_of([1], [1]), target_of([2], [0])],
    "several": [target_of([1, 0, 2], [1, 0, 0]), target_of([2, 2], [0, 1])],
    "more than queries in one image": [target_of([0, 1, 2, 0, 1, 2], [0, 0, 1, 0, 0, 0]), target_of([0], [1])],
    "none in one image": [target_of([], []), target_of([2, 0], [0, 1])],
    "none at all": [target_of([], []), target_of([], [])],
}


@pytest.fixture
def points_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flat masks are flat only between the outermost pixel centres; sampling fades to zero beyond them."""
    for module in (criterion, points):
        monkeypatch.setattr(module, "random_points", lambda *arguments: 0.25 + 0.5 * random_points(*arguments))


@pytest.mark.usefixtures("points_inside")
@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
def test_losses_equal_their_closed_form(targets: list[Targets]) -> None:
    generator = torch.Generator().manual_seed(11)
    predictions, expected = [], torch.zeros(3)
    for _ in range(3):
        classes = torch.randn(2, 4, NUM_CLASSES + 1, generator=generator)
        logits = torch.randn(2, 4, generator=generator) * 2
        predictions.append((classes, torch.stack([flat_masks(of_image.tolist()) for of_image in logits])))
        expected += torch.tensor(worked_losses(classes.tolist(), logits.tolist(), targets))
    losses = Criterion(NUM_CLASSES, NUM_POINTS)(predictions, Targets.cat(targets), [1, 2])
    assert list(losses) == ["class", "bce", "dice"]
    torch.testing.assert_close(torch.stack(list(losses.values())), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("targets", [TARGETS["none at all"], TARGETS["several"]], ids=["no target", "targets"])
def test_every_prediction_gets_a_finite_gradient(targets: list[Targets]) -> None:
    classes = torch.randn(2, 4, NUM_CLASSES + 1, requires_grad=True)
    masks = torch.randn(2, 4, 4, 6, requires_grad=True)
    sum(Criterion(NUM_CLASSES, NUM_POINTS)([(classes, masks)], Targets.cat(targets), [1, 2]).values()).backward()
    assert bool(classes.grad.abs().sum() > 0)
    assert bool(masks.grad.isfinite().all())
    assert bool(masks.grad.any()) == any(any(target.counts) for target in targets)


def test_half_precision_predictions_are_compared_in_single_precision() -> None:
    classes, masks = torch.randn(2, 4, NUM_CLASSES + 1), torch.randn(2, 4, 4, 6)
    results = []
    for dtype in (torch.bfloat16, torch.float32):
        rounded = classes.bfloat16().to(dtype), masks.bfloat16().to(dtype)
        results.append(Criterion(NUM_CLASSES, NUM_POINTS)([rounded], Targets.cat(TARGETS["several"]), [1, 2]))
    assert results[0] == results[1]
    assert all(loss.dtype == torch.float32 for loss in results[0].values())


def test_mask_losses_by_hand() -> None:
    logits, masks = torch.zeros(2, 4), torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    assert bce_loss(logits, masks).item() == pytest.approx(2 * log(2))
    # Probability one half: 1 - (2 · 1 + 1) / (2 + 2 + 1) and 1 - (2 · 2 + 1) / (2 + 4 + 1).
    assert dice_loss(logits, masks).item() == pytest.approx(2 / 5 + 2 / 7)


def test_the_seeds_decide_the_points() -> None:
    classes, masks = torch.randn(2, 4, NUM_CLASSES + 1), torch.randn(2, 4, 4, 6)
    targets = Targets.cat(TARGETS["several"])

    def loss(seeds: list[int]) -> float:
        return sum(Criterion(NUM_CLASSES, NUM_POINTS)([(classes, masks)], targets, seeds).values()).item()

    torch.manual_seed(0)
    expected = loss([1, 2])
    torch.manual_seed(1)
    assert loss([1, 2]) == expected
    assert loss([1, 3]) != expected
