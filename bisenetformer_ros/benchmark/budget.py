"""What a frame costs on a GPU: bytes and arithmetic of each step, counted without running anything.

Steps are those of the graph that is recorded with CUDA and built with TensorRT, in fp16. Every operator counts with
what it reads and writes; caches and fused operators need less. A step takes as long as the slower of traffic and
products.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from bisenetformer_ros.benchmark.ceilings import Ceilings
from bisenetformer_ros.inference.graph.module import SegmentationGraph
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.builders import build_model
from bisenetformer_ros.model.folding import fold

PRECISION = "fp16"
"""Of the network."""
ONE_PASS = "post-processing, one pass"
ORINS = {
    "AGX Orin 64GB": Ceilings({"fp16": 64 * 256 * 1.3, "fp32": 2048 * 1.3}, 204.8),
    "Orin NX 16GB": Ceilings({"fp16": 32 * 256 * 0.918, "fp32": 1024 * 0.918}, 102.4),
    "Orin Nano 8GB": Ceilings({"fp16": 32 * 256 * 0.625, "fp32": 1024 * 0.625}, 68.0),
}
"""Tensor cores · 256 or CUDA cores, times the clock in GHz; docs/performance.md has the sources."""


@dataclass(frozen=True)
class Step:
    """Cost of one step of a frame.

    Attributes:
        gmacs: 10⁹ multiply-accumulates of products, in `precision`.
        megabytes: 10⁶ bytes, read and written.
    """

    name: str
    precision: str
    gmacs: float
    megabytes: float

    def least_ms(self, ceilings: Ceilings) -> float:
        """Return the time at the peak rates; without a rate for the precision, that of the traffic alone."""
        rate = ceilings.matmul_gmacs.get(self.precision, float("inf"))
        return 1e3 * max(self.gmacs / rate, self.megabytes / 1e3 / ceilings.bandwidth_gbs)

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def frame_budget(metadata: ModelMetadata, task: str, frame_size: tuple[int, int]) -> tuple[Step, ...]:
    """Count the steps of one frame.

    Args:
        metadata: Of the model.
        task: One of TASKS.
        frame_size: (height, width) of the camera image.

    Returns:
        The steps in order, and then ONE_PASS, which would replace the last one: it reads the logits once and writes two
        bytes per pixel.
    """
    with torch.device("meta"), torch.no_grad():
        folded = fold(build_model(**metadata.architecture).eval())
        graph = SegmentationGraph(folded, metadata, task, frame_size, PRECISION, "rgb")
        graph.eval().requires_grad_(False).to("meta")
        frames = torch.empty(1, *frame_size, 3, dtype=torch.uint8)
        thresholds = (torch.empty(()),) if task == "panoptic" else ()
        before, images = _count("preprocessing", "fp32", lambda: graph.frame_input(frames))
        network, logits = _count("network", PRECISION, lambda: graph.network(images))
        after, _ = _count("post-processing", "fp32", lambda: graph.output(*logits, *thresholds))
    num_bytes = sum(each.nbytes for each in logits) + 2 * frame_size[0] * frame_size[1]
    return before, network, after, Step(ONE_PASS, "fp32", after.gmacs, num_bytes / 1e6)


def _count(name: str, precision: str, compute: Callable[[], Any]) -> tuple[Step, Any]:
    """Return a step, and what it computes."""
    with FlopCounterMode(display=False) as products, _Traffic() as traffic:
        result = compute()
    return Step(name, precision, products.get_total_flops() / 2e9, traffic.num_bytes / 1e6), result


class _Traffic(TorchDispatchMode):
    """Sums what the operators read and write; views do neither."""

    def __init__(self) -> None:
        super().__init__()
        self.num_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        is_view = any(each.alias_info and not each.alias_info.is_write for each in func._schema.returns)
        if not is_view and func is not torch.ops.aten._unsafe_view.default:
            self.num_bytes += sum(
                each.nbytes for each in tree_leaves((args, kwargs, result)) if isinstance(each, Tensor)
            )
        return result
