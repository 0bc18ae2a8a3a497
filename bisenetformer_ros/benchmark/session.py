"""Runs a benchmark: every contestant at every size, in one process."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from bisenetformer_ros.benchmark.authors_sdk import SdkContestant
from bisenetformer_ros.benchmark.budget import frame_budget
from bisenetformer_ros.benchmark.ceilings import measure_ceilings
from bisenetformer_ros.benchmark.contestants import Contestant, EngineContestant, SegmentFrame
from bisenetformer_ros.benchmark.counts import count_network
from bisenetformer_ros.benchmark.frames import load_frames
from bisenetformer_ros.benchmark.graphs import GraphFiles
from bisenetformer_ros.benchmark.memory import measure_peak_mib
from bisenetformer_ros.benchmark.models import BenchmarkModel
from bisenetformer_ros.benchmark.report import BenchmarkReport, EngineEntry, SizeReport
from bisenetformer_ros.benchmark.rounds import run_rounds
from bisenetformer_ros.errors import EngineError, ModelError
from bisenetformer_ros.inference.agreement import measure_agreement
from bisenetformer_ros.inference.engines.torch import resolve_device
from bisenetformer_ros.inference.postprocess import SemanticOrder
from bisenetformer_ros.inference.preprocess import plan_geometry
from bisenetformer_ros.machine import describe_machine
from bisenetformer_ros.tasks import task_warning

PRECISIONS = {
    "torch": ("fp32", "bf16", "fp16"),
    "onnxruntime": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
    "tensorrt": ("fp16",),
}
"""Precisions to try, by engine."""

Progress = Callable[[str, int], None]
"""Called with a status message and the number of the plan's steps just completed."""


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        engines: Keys of PRECISIONS.
        sizes: (height, width) of the frames.
        frames: What `open_source` reads; None for generated streets.
        num_rounds: Frames per contestant.
        against: Checkout of the authors' SDK, which then comes first, or None.
    """

    task: str
    engines: tuple[str, ...]
    device: str
    sizes: tuple[tuple[int, int], ...]
    frames: str | None
    num_rounds: int
    against: Path | None

    @property
    def num_steps(self) -> int:
        return len(self.sizes) * self.num_rounds


def run_benchmark(model: BenchmarkModel, plan: Plan, folder: Path, progress: Progress) -> BenchmarkReport:
    """Run a benchmark.

    Args:
        model: The model to measure.
        plan: Engines, sizes and frames.
        folder: For files that engines need.
        progress: Gets `plan.num_steps` steps in total.

    Raises:
        EngineError: Nothing runs.
        ConfigError: The SDK's checkout is not one.
        InputError: The frames cannot be read.
    """
    sizes = tuple(_measure_size(model, plan, size, folder, progress) for size in plan.sizes)
    ran = {entry.contestant.precision for size in sizes for entry in size.entries}
    ceilings = measure_ceilings(resolve_device(plan.device), ran)
    warning = task_warning(plan.task, model.metadata.task)
    name, architecture = model.metadata.name, model.metadata.architecture
    return BenchmarkReport(name, architecture, model.weights, plan.task, warning, describe_machine(), ceilings, sizes)


def _measure_size(
    model: BenchmarkModel, plan: Plan, size: tuple[int, int], folder: Path, progress: Progress
) -> SizeReport:
    frames = load_frames(plan.frames, size)
    files = GraphFiles(folder, size, plan.frames, lambda status: progress(status, 0))
    contestants, segments, left_out = _open_all(list_contestants(model, plan), files, frames[0], progress)
    results = {name: [segment(frame) for frame in frames] for name, segment in segments.items()}
    timings = run_rounds(
        segments, frames, plan.num_rounds, lambda number: progress("{}x{}, round {}".format(*size, number), 1)
    )
    segments.clear()  # free their memory before other processes are measured
    expected = {
        order: list(map(replace(_reference(model, plan), semantic_order=order).open(), frames))
        for order in {contestant.semantic_order for contestant in contestants}
    }

    def describe(contestant: Contestant) -> EngineEntry:
        name, order = contestant.name, contestant.semantic_order
        agreement = measure_agreement(results[name], expected[order], model.metadata.labels)
        progress(f"memory of {name}", 0)
        return EngineEntry(contestant, tuple(timings[name]), agreement, measure_peak_mib(contestant, frames[0]))

    counts = count_network(model.metadata.architecture, plan_geometry(size, None).padded_size)
    on_gpu = resolve_device(plan.device).type == "cuda"
    budget = frame_budget(model.metadata, plan.task, size) if on_gpu else ()
    return SizeReport(size, counts, tuple(map(describe, contestants)), left_out, budget)


def list_contestants(model: BenchmarkModel, plan: Plan) -> Iterator[Contestant]:
    """List everything to try, the reference of speed first: the SDK if given, else PyTorch in fp32.

    Next to the SDK, engines also run its order of the semantic map.
    """
    reference = _reference(model, plan)
    orders: tuple[SemanticOrder, ...] = ("full",)
    if plan.against:
        yield SdkContestant(model.path, plan.against)
        orders = ("coarse", "full")
    for order, engine in product(orders, plan.engines):
        for precision in PRECISIONS[engine]:
            yield replace(reference, engine=engine, precision=precision, semantic_order=order)


def _reference(model: BenchmarkModel, plan: Plan) -> EngineContestant:
    """Return PyTorch in fp32, the reference for agreement."""
    thresholds = (0.8, 0.8) if model.finds_objects else (0.0, 0.0)
    return EngineContestant(model.path, plan.task, "torch", plan.device, "fp32", thresholds)


def _open_all(
    contestants: Iterable[Contestant], files: GraphFiles, frame: np.ndarray, progress: Progress
) -> tuple[list[Contestant], dict[str, SegmentFrame], dict[str, str]]:
    """Open the contestants; return those that run, their functions by name, and why the others do not run."""
    running, segments, left_out = [], {}, {}
    for contestant in contestants:
        progress(f"opening {contestant.name}", 0)
        try:
            ready = files.prepare(contestant)
            segment = ready.open()
            segment(frame)
        except (EngineError, ModelError) as error:
            left_out[contestant.name] = str(error)
        else:
            running.append(ready)
            segments[ready.name] = segment
    if not running:
        raise EngineError("nothing to measure: " + "; ".join(f"{name}: {why}" for name, why in left_out.items()))
    return running, segments, left_out
