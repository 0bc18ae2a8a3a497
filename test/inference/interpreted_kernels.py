"""The kernels in Triton's interpreter, against the tiled post-processing. `test_fused.py` runs this file in a process
with TRITON_INTERPRET=1, which Triton reads when it is imported."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bisenetformer_ros.inference import fused, postprocess
from bisenetformer_ros.inference.engines.cuda_graph import CudaGraphs
from bisenetformer_ros.inference.graph.contract import OUTPUTS, GraphInfo
from bisenetformer_ros.inference.graph.input import FrameInput
from bisenetformer_ros.inference.graph.runs import read_results
from bisenetformer_ros.inference.postprocess import SemanticOrder, postprocess_panoptic, postprocess_semantic
from bisenetformer_ros.inference.preprocess import plan_geometry
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.metadata import IMAGENET_MEAN, IMAGENET_STD, ModelMetadata
from bisenetformer_ros.model.checkpoint import load_checkpoint
from bisenetformer_ros.resources import find_model
from bisenetformer_ros.results import ImageGeometry, SegmentationResult
from bisenetformer_ros.streets import StreetDrive

LABELS = LabelMap("test", tuple(Label(i, f"class_{i}", is_thing=i >= 3, color=(i, i, i)) for i in range(5)))
CASES = [
    ((1, 1), None, 1),
    ((7, 5), 64, 255),
    ((75, 133), None, 12),
    ((75, 133), (64, 64), 12),
    ((200, 31), 48, 5),
    ((64, 128), None, 1),
]
CPU = torch.device("cpu")
THRESHOLDS = (0.3, 0.5)


@pytest.fixture(autouse=True)
def _few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter runs one program after the other. Each sums the masks of its tile alone."""
    monkeypatch.setattr(fused, "BLOCK_PIXELS", 2048)
    monkeypatch.setattr(fused, "BLOCK_SCORES", 2**20)
    monkeypatch.setattr(postprocess, "BATCH_BYTES", 1)


def random_logits(geometry: ImageGeometry, count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(count)
    height, width = (side // 8 for side in geometry.padded_size)
    classes = 4 * torch.randn(count, len(LABELS) + 1, generator=generator)
    smooth = F.avg_pool2d(torch.randn(count, height + 4, width + 4, generator=generator), 5, stride=1)
    return classes, 20 * smooth + torch.randn(count, 1, 1, generator=generator)


def fused_panoptic(
    class_logits: Tensor, mask_logits: Tensor, geometry: ImageGeometry, labels: LabelMap
) -> list[SegmentationResult]:
    outputs = fused.FusedPanoptic(geometry)(class_logits, mask_logits, torch.tensor(THRESHOLDS[0]))
    info = GraphInfo(ModelMetadata("test", {}, labels), "panoptic", geometry.image_size, "fp32", "rgb", True, "")
    arrays = dict(zip(OUTPUTS["panoptic"], (output.numpy() for output in outputs), strict=True))
    return read_results(arrays, info, *THRESHOLDS)


def assert_panoptic(found: SegmentationResult, expected: SegmentationResult) -> None:
    np.testing.assert_array_equal(found.panoptic_map, expected.panoptic_map)
    np.testing.assert_array_equal(found.label_map, expected.label_map)
    assert np.abs(found.confidence.astype(int) - expected.confidence).max() <= 1
    for ours, theirs in zip(found.segments, expected.segments, strict=True):
        assert (ours.area, ours.box_xyxy, ours.class_id) == (theirs.area, theirs.box_xyxy, theirs.class_id)
        assert ours.centroid_xy == pytest.approx(theirs.centroid_xy)


def assert_semantic(
    class_logits: Tensor, mask_logits: Tensor, geometry: ImageGeometry, labels: LabelMap, order: SemanticOrder
) -> None:
    expected = postprocess_semantic(class_logits, mask_logits, geometry, labels, order)
    label_map, confidence = fused.FusedSemantic(len(labels), geometry, order)(class_logits[None], mask_logits[None])
    np.testing.assert_array_equal(label_map[0].numpy(), expected.label_map)
    assert np.abs(confidence[0].numpy().astype(int) - expected.confidence).max() <= 1


@pytest.mark.parametrize(("size", "input_size", "count"), CASES)
@pytest.mark.parametrize("order", ["full", "coarse"])
def test_semantic(
    size: tuple[int, int], input_size: int | tuple[int, int] | None, count: int, order: SemanticOrder
) -> None:
    geometry = plan_geometry(size, input_size)
    assert_semantic(*random_logits(geometry, count), geometry, LABELS, order)


@pytest.mark.parametrize(("size", "input_size", "count"), CASES)
def test_panoptic(size: tuple[int, int], input_size: int | tuple[int, int] | None, count: int) -> None:
    geometry = plan_geometry(size, input_size)
    class_logits, mask_logits = random_logits(geometry, count)
    (found,) = fused_panoptic(class_logits[None], mask_logits[None], geometry, LABELS)
    assert_panoptic(found, postprocess_panoptic(class_logits, mask_logits, geometry, LABELS, *THRESHOLDS))


def test_a_batch_of_logits_in_half_precision() -> None:
    geometry = plan_geometry((40, 70), None)
    frames = [random_logits(geometry, count) for count in (6, 7)]
    class_logits, mask_logits = (torch.stack([frame[part][:6] for frame in frames]) for part in (0, 1))
    found = fused_panoptic(class_logits, mask_logits.half(), geometry, LABELS)
    for result, classes, masks in zip(found, class_logits, mask_logits.half().float(), strict=True):
        assert_panoptic(result, postprocess_panoptic(classes, masks, geometry, LABELS, *THRESHOLDS))


@pytest.mark.parametrize(("size", "input_size"), [((64, 96), None), ((70, 90), None), ((48, 60), 96), ((100, 140), 64)])
def test_input(size: tuple[int, int], input_size: int | None) -> None:
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8))
    replaced = FrameInput(plan_geometry(size, input_size), IMAGENET_MEAN, IMAGENET_STD, "rgb")
    expected = replaced(frames)
    torch.testing.assert_close(fused.FusedInput(replaced, torch.float32)(frames), expected, rtol=0, atol=1e-5)
    half = fused.FusedInput(replaced, torch.float16)(frames)
    torch.testing.assert_close(half, expected.half(), rtol=2**-10, atol=1e-5)  # half a step apart at most
    assert half.is_contiguous(memory_format=torch.channels_last)


def test_the_shipped_network_as_cuda_graphs_run_it() -> None:
    frame = StreetDrive(1, size=(48, 65))[10].rgb
    graphs = CudaGraphs(*load_checkpoint(find_model("bisenetformer-nano-camvid")), "panoptic", "fp32", CPU)
    assert graphs.warning == ""
    (found,) = graphs.segment([frame], *THRESHOLDS)
    graphs._fuse = None
    graphs._sizes.clear()
    (expected,) = graphs.segment([frame], *THRESHOLDS)
    assert len(expected.segments) > 2
    assert_panoptic(found, expected)
