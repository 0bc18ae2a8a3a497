"""The parts of an exported graph against the code that PyTorch's engine runs, and against numpy."""

import numpy as np
import pytest
import torch
from peak_memory import peak_bytes

from bisenetformer_ros.inference.graph.contract import NO_QUERY
from bisenetformer_ros.inference.graph.input import FrameInput
from bisenetformer_ros.inference.graph.outputs import PanopticOutput, QueryRegions, SemanticOutput
from bisenetformer_ros.inference.postprocess import SemanticOrder, postprocess_semantic
from bisenetformer_ros.inference.preprocess import plan_geometry, preprocess
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import IMAGENET_MEAN, IMAGENET_STD

LABELS = LabelMap.load("camvid11")
NUM_CLASSES = len(LABELS)


@pytest.mark.parametrize(("size", "input_size"), [((64, 96), None), ((70, 90), None), ((48, 60), 96), ((100, 140), 64)])
@pytest.mark.parametrize("colours", ["rgb", "bgr"])
def test_frame_input_equals_preprocess(size: tuple[int, int], input_size: int | None, colours: str) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    geometry = plan_geometry(size, input_size)
    expected = preprocess([frame], geometry, IMAGENET_MEAN)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    given = frame if colours == "rgb" else frame[..., ::-1].copy()
    found = FrameInput(geometry, IMAGENET_MEAN, IMAGENET_STD, colours)(torch.from_numpy(given)[None])
    pixels = found[0] * std + mean
    # preprocess rounds resized pixels to bytes, and pads with the mean, which is 0 after normalization
    assert (pixels - expected[0]).abs().max() <= 0.51


def logits(num_queries: int, mask_size: tuple[int, int], seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    classes = 2 * torch.randn(1, num_queries, NUM_CLASSES + 1, generator=generator)
    return classes, 4 * torch.randn(1, num_queries, *mask_size, generator=generator)


@pytest.mark.parametrize("order", ["full", "coarse"])
def test_semantic_output_equals_postprocess(order: SemanticOrder) -> None:
    geometry = plan_geometry((70, 90), None)
    mask_size = tuple(side // 8 for side in geometry.padded_size)
    class_logits, mask_logits = logits(20, mask_size)
    expected = postprocess_semantic(class_logits[0], mask_logits[0], geometry, LABELS, order)
    output = SemanticOutput(NUM_CLASSES, 20, mask_size, geometry, order)
    label_map, confidence = (values[0].numpy() for values in output(class_logits, mask_logits))
    assert (label_map == expected.label_map).mean() > 0.998
    assert np.abs(confidence.astype(int) - expected.confidence).max() <= 1


def test_panoptic_output_equals_the_formula() -> None:
    """Each pixel to the query with the largest score · probability, if that probability is at least 0.5."""
    geometry = plan_geometry((64, 96), None)
    class_logits, mask_logits = logits(6, (8, 12))
    outputs = PanopticOutput(NUM_CLASSES, 6, (8, 12), geometry)(class_logits, mask_logits, torch.tensor(0.3))
    query_map, confidence, table = (values[0].numpy() for values in outputs)
    scores, classes = class_logits[0].softmax(1).max(1)
    kept = (classes < NUM_CLASSES) & (scores > 0.3)
    masks = torch.nn.functional.interpolate(mask_logits, (64, 96), mode="bilinear")[0].sigmoid()
    weighted = masks * (scores * kept)[:, None, None]
    best, owner = weighted.max(0)
    inside = (masks.gather(0, owner[None])[0] >= 0.5) & kept[owner]
    expected = torch.where(inside, owner, NO_QUERY).numpy()
    assert 2 <= kept.sum() < 6
    assert (query_map == expected).mean() > 0.999
    assert np.abs(confidence - (best * inside * 255).numpy()).max() <= 1
    np.testing.assert_allclose(table[:, 0], classes)
    np.testing.assert_allclose(table[:, 1], scores, atol=1e-6)
    areas = [(expected == query).sum() for query in range(6)]
    np.testing.assert_allclose(table[:, 4], areas, atol=3)


@pytest.mark.parametrize("size", [(5, 7), (40, 600)])
def test_query_regions_equal_numpy(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    owner = rng.integers(0, 9, size)
    owned = rng.random(size) < 0.8
    inside = owned & (rng.random(size) < 0.5) & (owner != 4)  # query 4 has no region
    regions = QueryRegions(10, size)
    owned_areas, found = regions(*(torch.from_numpy(x)[None] for x in (owner.astype(np.float32), owned, inside)))
    found = torch.stack(found, dim=2)[0].numpy()
    for query in range(10):
        assert owned_areas[0, query] == (owned & (owner == query)).sum()
        rows, columns = np.nonzero(inside & (owner == query))
        expected = [0.0] * 7
        if len(rows):
            box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            expected = [len(rows), *box, columns.mean(), rows.mean()]
        np.testing.assert_allclose(found[query], expected, rtol=1e-5)


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
def test_one_strip_of_the_masks_exists_at_a_time(task: str) -> None:
    geometry = plan_geometry((1024, 2048), None)
    class_logits, mask_logits = logits(100, (128, 256))
    with torch.inference_mode():
        if task == "semantic":
            semantic = SemanticOutput(NUM_CLASSES, 100, (128, 256), geometry)
            peak = peak_bytes(lambda: semantic(class_logits, mask_logits))
        else:
            panoptic = PanopticOutput(NUM_CLASSES, 100, (128, 256), geometry)
            peak = peak_bytes(lambda: panoptic(class_logits, mask_logits, torch.tensor(0.0)))
    assert mask_logits.nbytes < peak < 150 * 2**20
