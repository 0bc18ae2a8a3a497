"""The criterion against the loss of Mask2Former in the package transformers."""

import pytest
import torch
from torch import Tensor

from bisenetformer_ros.training import criterion, points
from bisenetformer_ros.training.criterion import Criterion
from bisenetformer_ros.training.matcher import match
from bisenetformer_ros.training.targets import Targets

mask2former = pytest.importorskip(
    "transformers.models.mask2former.modeling_mask2former", reason="needs the package transformers"
)
from transformers import Mask2FormerConfig  # noqa: E402

NUM_CLASSES, NUM_QUERIES, NUM_POINTS = 7, 6, 50
COUNTS = {
    "several": (3, 5),
    "as many as queries": (6, 6),
    "none in one image": (0, 4),
    "more than queries": (9, 2),
    "one": (1, 1),
}


@pytest.fixture(autouse=True)
def same_points_for_every_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two draw for their masks in another order."""

    def same(count: int, num_points: int) -> Tensor:
        return original(num_points, 2, generator=torch.Generator().manual_seed(num_points)).repeat(count, 1, 1)

    original = torch.rand
    monkeypatch.setattr(torch, "rand", lambda count, num_points, two, **_: same(count, num_points))
    for module in (criterion, points):
        monkeypatch.setattr(module, "random_points", lambda _, counts, num_points: same(sum(counts), num_points))


def random_targets(counts: tuple[int, ...], generator: torch.Generator) -> Targets:
    class_ids = tuple(torch.randint(0, NUM_CLASSES, (count,), generator=generator) for count in counts)
    maps = [torch.randint(-1, count, (24, 32), generator=generator, dtype=torch.int16) for count in counts]
    return Targets(class_ids, torch.stack(maps))


def masks_of(targets: Targets) -> list[Tensor]:
    """(M, H, W) float32 per image."""
    return [
        torch.stack([(segment_map == index).float() for index in range(count)]) if count else torch.zeros(0, 24, 32)
        for segment_map, count in zip(targets.segment_maps, targets.counts, strict=True)
    ]


def random_predictions(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    classes = torch.randn(2, NUM_QUERIES, NUM_CLASSES + 1, generator=generator) * 2
    masks = torch.randn(2, NUM_QUERIES, 6, 8, generator=generator) * 4
    return classes.requires_grad_(), masks.requires_grad_()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_losses_gradients_and_matches_agree(counts: tuple[int, ...], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    targets, predictions = random_targets(counts, generator), random_predictions(generator)
    ours = Criterion(NUM_CLASSES, NUM_POINTS)([predictions], targets, [0, 0])
    our_gradients = torch.autograd.grad(sum(ours.values()), predictions)

    config = Mask2FormerConfig(num_labels=NUM_CLASSES, train_num_points=NUM_POINTS)
    reference = mask2former.Mask2FormerLoss(config, {})
    classes, masks = predictions
    found = reference(masks, classes, masks_of(targets), list(targets.class_ids))
    theirs = {
        "class": config.class_weight * found["loss_cross_entropy"],
        "bce": config.mask_weight * found["loss_mask"],
        "dice": config.dice_weight * found["loss_dice"],
    }
    their_gradients = torch.autograd.grad(sum(theirs.values()), predictions)
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=1e-6)
    for our, their in zip(our_gradients, their_gradients, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-4, atol=1e-6)

    matches = match(classes.detach(), masks.detach(), targets, torch.rand(2, NUM_POINTS, 2))
    expected = reference.matcher(masks, classes, masks_of(targets), list(targets.class_ids))
    triples = [(image, *pair) for image, pairs in enumerate(expected) for pair in zip(*pairs, strict=True)]
    assert set(zip(*(part.tolist() for part in matches), strict=True)) == {tuple(map(int, t)) for t in triples}
