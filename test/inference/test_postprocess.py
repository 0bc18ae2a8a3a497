"""Streaming post-processing against the plain form: all masks in full, one query after the other."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from peak_memory import peak_bytes
from torch import Tensor

from bisenetformer_ros.inference import postprocess
from bisenetformer_ros.inference.postprocess import (
    BATCH_BYTES,
    SCORE_TOLERANCE,
    postprocess_panoptic,
    postprocess_semantic,
)
from bisenetformer_ros.inference.preprocess import plan_geometry
from bisenetformer_ros.inference.tiles import MaskTiles
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.results import ImageGeometry, SegmentationResult

LABELS = LabelMap("test", tuple(Label(i, f"class_{i}", is_thing=i >= 3, color=(i, i, i)) for i in range(5)))
NO_OBJECT = len(LABELS)
CASES = [
    ((1, 1), None),
    ((7, 5), None),
    ((7, 5), 64),
    ((96, 128), None),
    ((75, 133), None),
    ((75, 133), 96),
    ((75, 133), (64, 64)),
    ((200, 31), 48),
]


def plain_upsample(values: Tensor, geometry: ImageGeometry) -> Tensor:
    """(N, h, w) → (N, H, W) float64: to the padded size, cut, to the image."""
    padded = F.interpolate(values[None].double(), geometry.padded_size, mode="bilinear", align_corners=False)
    resized = padded[..., : geometry.resized_size[0], : geometry.resized_size[1]]
    return F.interpolate(resized, geometry.image_size, mode="bilinear", align_corners=False)[0]


def plain_panoptic(
    class_logits: Tensor, mask_logits: Tensor, geometry: ImageGeometry, score_threshold: float, overlap_threshold: float
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The panoptic map and, by id, (class, area), in the words of Mask2Former's paper and code."""
    scores, classes = class_logits.double().softmax(-1).max(-1)
    kept = [q for q in range(len(scores)) if classes[q] != NO_OBJECT and scores[q] > score_threshold]
    panoptic = np.zeros(geometry.image_size, np.uint16)
    segments: list[tuple[int, int]] = []
    if not kept:
        return panoptic, segments
    masks = plain_upsample(mask_logits[kept], geometry).sigmoid()
    owners = (scores[kept][:, None, None] * masks).argmax(0)
    id_of_stuff: dict[int, int] = {}
    for position, query in enumerate(kept):
        class_id, owned, solid = int(classes[query]), owners == position, masks[position] >= 0.5
        region = (owned & solid).numpy()
        if not region.any() or owned.sum() / solid.sum() < overlap_threshold:
            continue
        if class_id in id_of_stuff:
            segment_id = id_of_stuff[class_id]
            segments[segment_id - 1] = (class_id, segments[segment_id - 1][1] + int(region.sum()))
        else:
            segments.append((class_id, int(region.sum())))
            segment_id = len(segments)
            if not LABELS[class_id].is_thing:
                id_of_stuff[class_id] = segment_id
        panoptic[region] = segment_id
    return panoptic, segments


def random_logits(geometry: ImageGeometry, count: int = 12, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    height, width = (side // 8 for side in geometry.padded_size)
    class_logits = 4 * torch.randn(count, NO_OBJECT + 1, generator=generator)
    smooth = F.avg_pool2d(torch.randn(count, height + 4, width + 4, generator=generator), 5, stride=1)
    return class_logits, 20 * smooth + torch.randn(count, 1, 1, generator=generator)


def one_hot_classes(*classes: int, confidence: float = 12.0) -> Tensor:
    return confidence * F.one_hot(torch.tensor(classes), NO_OBJECT + 1).float()


@pytest.fixture(params=[1, 200_000, BATCH_BYTES], ids=["tile by tile", "few tiles", "all tiles"])
def batch_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postprocess, "BATCH_BYTES", request.param)


@pytest.mark.usefixtures("batch_bytes")
@pytest.mark.parametrize(("size", "input_size"), CASES)
def test_semantic_equals_the_plain_form(size: tuple[int, int], input_size: int | tuple[int, int] | None) -> None:
    geometry = plan_geometry(size, input_size)
    class_logits, mask_logits = random_logits(geometry)
    classes = class_logits.double().softmax(-1)[:, :-1]
    scores = torch.einsum("qc,qhw->chw", classes, plain_upsample(mask_logits, geometry).sigmoid())
    result = postprocess_semantic(class_logits, mask_logits, geometry, LABELS)
    assert_best(result, scores, SCORE_TOLERANCE)


def test_without_tolerance_no_query_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postprocess, "SCORE_TOLERANCE", 0.0)
    geometry = plan_geometry((75, 133), None)
    class_logits, mask_logits = random_logits(geometry)
    scores = torch.einsum(
        "qc,qhw->chw", class_logits.double().softmax(-1)[:, :-1], plain_upsample(mask_logits, geometry).sigmoid()
    )
    assert_best(postprocess_semantic(class_logits, mask_logits, geometry, LABELS), scores)


@pytest.mark.parametrize("slope", [4.0, 0.05])
def test_only_varying_masks_are_upsampled(slope: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve masks whose logits grow from left to right: steep ones are nearly 0 or 1 everywhere in most tiles."""
    upsampled = []

    class Counting(MaskTiles):
        def logits(self, tiles: Tensor, masks: Tensor) -> Tensor:
            upsampled.append(masks.numel())
            return super().logits(tiles, masks)

    monkeypatch.setattr(postprocess, "MaskTiles", Counting)
    geometry = plan_geometry((256, 512), None)
    columns = torch.arange(64.0)
    mask_logits = torch.stack([slope * (columns - 5 * i).expand(32, -1) for i in range(12)])
    class_logits = one_hot_classes(*[i % 5 for i in range(12)])
    result = postprocess_semantic(class_logits, mask_logits, geometry, LABELS)
    scores = torch.einsum(
        "qc,qhw->chw", class_logits.double().softmax(-1)[:, :-1], plain_upsample(mask_logits, geometry).sigmoid()
    )
    assert_best(result, scores, SCORE_TOLERANCE)
    assert (sum(upsampled) < 12 * 64 / 3) == (slope == 4.0)


@pytest.mark.usefixtures("batch_bytes")
@pytest.mark.parametrize(("size", "input_size"), CASES)
def test_coarse_semantic_equals_the_plain_form(size: tuple[int, int], input_size: int | tuple[int, int] | None) -> None:
    geometry = plan_geometry(size, input_size)
    class_logits, mask_logits = random_logits(geometry)
    classes = class_logits.double().softmax(-1)[:, :-1]
    coarse = torch.einsum("qc,qhw->chw", classes, mask_logits.double().sigmoid())
    result = postprocess_semantic(class_logits, mask_logits, geometry, LABELS, order="coarse")
    assert_best(result, plain_upsample(coarse, geometry))


def test_the_two_semantic_orders_differ_where_a_mask_is_thin() -> None:
    """A column one cell wide, 9 against -1 beside it. Halfway between the cells' centres the logit is 4, and 0.98 of
    the class there; the probabilities' mean is 0.63, and the class that is 0.7 everywhere wins."""
    masks = torch.stack([torch.full((8, 12), -1.0), torch.full((8, 12), float(np.log(0.7 / 0.3)))])
    masks[0, :, 5] = 9.0
    full, coarse = (
        postprocess_semantic(one_hot_classes(3, 1), masks, GEOMETRY, LABELS, order).label_map[32]
        for order in ("full", "coarse")
    )
    assert (full[47], full[48]) == (3, 3)
    assert (coarse[47], coarse[48]) == (1, 1)
    assert (full[44], coarse[44]) == (3, 3)
    assert (full[60], coarse[60]) == (1, 1)


def assert_best(result: SegmentationResult, scores: Tensor, tolerance: float = 0.0) -> None:
    """The semantic result has, at every pixel, the best of `scores` (K, H, W), which may be off by `tolerance`."""
    best = scores.amax(0).numpy()
    chosen = np.take_along_axis(scores.numpy(), result.label_map[None].astype(int), axis=0)[0]
    np.testing.assert_allclose(chosen, best, rtol=0, atol=2 * tolerance + 1e-5)  # the same class, or one that ties
    np.testing.assert_allclose(result.confidence, 255 * best.clip(0, 1), rtol=0, atol=255 * tolerance + 0.51)
    assert (result.label_map.dtype, result.confidence.dtype) == (np.uint8, np.uint8)
    assert result.panoptic_map is None
    assert result.segments == ()


@pytest.mark.usefixtures("batch_bytes")
@pytest.mark.parametrize(("size", "input_size"), CASES)
@pytest.mark.parametrize("thresholds", [(0.8, 0.8), (0.3, 0.4), (0.0, 0.0)])
def test_panoptic_equals_the_plain_form(
    size: tuple[int, int], input_size: int | tuple[int, int] | None, thresholds: tuple[float, float]
) -> None:
    geometry = plan_geometry(size, input_size)
    logits = random_logits(geometry)
    expected, segments = plain_panoptic(*logits, geometry, *thresholds)
    result = postprocess_panoptic(*logits, geometry, LABELS, *thresholds)
    np.testing.assert_array_equal(result.panoptic_map, expected)
    assert [(segment.class_id, segment.area) for segment in result.segments] == segments
    assert_consistent(result)


def assert_consistent(result: SegmentationResult) -> None:
    """What has to hold for every panoptic result, measured on its maps alone."""
    assert result.panoptic_map is not None
    assert [segment.id for segment in result.segments] == list(range(1, len(result.segments) + 1))
    assert set(np.unique(result.panoptic_map)) - {0} == {segment.id for segment in result.segments}
    np.testing.assert_array_equal(result.label_map == 255, result.panoptic_map == 0)
    assert (result.confidence[result.panoptic_map == 0] == 0).all()
    for segment in result.segments:
        rows, columns = np.nonzero(result.panoptic_map == segment.id)
        assert (result.label_map[rows, columns] == segment.class_id).all()
        assert segment.area == len(rows)
        assert segment.box_xyxy == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert segment.centroid_xy == pytest.approx((columns.mean(), rows.mean()))
        assert 0 < segment.score <= 1
        label = LABELS[segment.class_id]
        assert (segment.class_name, segment.is_thing) == (label.name, label.is_thing)


GEOMETRY = plan_geometry((64, 96), None)


def halves(left: float, right: float) -> Tensor:
    """(8, 12) mask logits; far from the border at column 48 they are as given at full size too."""
    return torch.cat([torch.full((8, 6), left), torch.full((8, 6), right)], dim=1)


def test_no_queries_leave_everything_unlabeled() -> None:
    masks = torch.full((3, 8, 12), 9.0)
    result = postprocess_panoptic(one_hot_classes(NO_OBJECT, NO_OBJECT, NO_OBJECT), masks, GEOMETRY, LABELS)
    assert (result.panoptic_map == 0).all()
    assert (result.label_map == 255).all()
    assert (result.confidence == 0).all()
    assert result.segments == ()


def test_masks_below_one_half_own_pixels_but_have_no_region() -> None:
    result = postprocess_panoptic(one_hot_classes(0, 3), torch.full((2, 8, 12), -0.1), GEOMETRY, LABELS)
    assert (result.panoptic_map == 0).all()
    assert result.segments == ()


def test_one_query_fills_the_image() -> None:
    classes = one_hot_classes(3)
    result = postprocess_panoptic(classes, torch.full((1, 8, 12), 2.0), GEOMETRY, LABELS)
    (segment,) = result.segments
    score = float(classes.softmax(-1)[0, 3])
    assert (segment.area, segment.box_xyxy, segment.centroid_xy) == (64 * 96, (0, 0, 96, 64), (47.5, 31.5))
    assert segment.score == pytest.approx(score)
    assert (result.confidence == round(255 * score / (1 + np.exp(-2)))).all()


def test_a_tie_goes_to_the_first_query() -> None:
    masks = torch.full((2, 8, 12), 3.0)
    result = postprocess_panoptic(one_hot_classes(4, 3), masks, GEOMETRY, LABELS)
    assert [segment.class_id for segment in result.segments] == [4]
    assert (result.panoptic_map == 1).all()


def test_stuff_merges_and_things_do_not() -> None:
    masks = torch.stack([halves(9, -9), halves(-9, 9)])
    stuff = postprocess_panoptic(one_hot_classes(1, 1), masks, GEOMETRY, LABELS)
    assert [(segment.class_id, segment.area) for segment in stuff.segments] == [(1, 64 * 96)]
    things = postprocess_panoptic(one_hot_classes(3, 3), masks, GEOMETRY, LABELS)
    assert [segment.box_xyxy for segment in things.segments] == [(0, 0, 48, 64), (48, 0, 96, 64)]


def test_the_score_of_merged_stuff_is_weighted_by_area() -> None:
    left, right = halves(9, -9), halves(-9, 9)
    right[:4] = -9
    classes = torch.cat([one_hot_classes(1), one_hot_classes(1, confidence=4.0)])
    scores = classes.softmax(-1)[:, 1].tolist()
    (segment,) = postprocess_panoptic(classes, torch.stack([left, right]), GEOMETRY, LABELS).segments
    second = segment.area - 48 * 64
    assert segment.score == pytest.approx((48 * 64 * scores[0] + second * scores[1]) / segment.area, rel=1e-6)
    assert scores[1] < segment.score < scores[0]


def test_mostly_covered_masks_are_dropped() -> None:
    behind = torch.full((8, 12), 1.0)
    masks = torch.stack([halves(9, -9), behind])
    loose = postprocess_panoptic(one_hot_classes(0, 3), masks, GEOMETRY, LABELS, overlap_threshold=0.4)
    strict = postprocess_panoptic(one_hot_classes(0, 3), masks, GEOMETRY, LABELS, overlap_threshold=0.6)
    assert [segment.class_id for segment in loose.segments] == [0, 3]
    assert [segment.class_id for segment in strict.segments] == [0]
    assert (strict.label_map[:, 60:] == 255).all()


def test_uncertain_queries_take_no_part() -> None:
    classes = one_hot_classes(2, confidence=2.0)
    score = float(classes.softmax(-1).max())
    masks = torch.full((1, 8, 12), 9.0)
    assert postprocess_panoptic(classes, masks, GEOMETRY, LABELS, score_threshold=score + 0.01).segments == ()
    assert len(postprocess_panoptic(classes, masks, GEOMETRY, LABELS, score_threshold=score - 0.01).segments) == 1


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
def test_memory_is_as_documented(task: str) -> None:
    geometry = plan_geometry((1024, 2048), None)
    class_logits, mask_logits = random_logits(geometry, count=100)
    class_logits[:, NO_OBJECT] -= 100  # panoptic: every query takes part
    if task == "semantic":
        peak = peak_bytes(lambda: postprocess_semantic(class_logits, mask_logits, geometry, LABELS))
    else:
        peak = peak_bytes(lambda: postprocess_panoptic(class_logits, mask_logits, geometry, LABELS, 0.0, 0.0))
    assert mask_logits.nbytes < peak < 56 * 2**20
