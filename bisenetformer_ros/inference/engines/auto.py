"""The choice of an engine, for `engine: auto`: the fastest that works, and why the faster ones do not."""

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch

from bisenetformer_ros.errors import BiSeNetFormerError, EngineError
from bisenetformer_ros.inference.engines import ENGINES, open_engine
from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.by_frame_size import EngineByFrameSize
from bisenetformer_ros.inference.engines.ranking import faster_than_torch, fastest_first
from bisenetformer_ros.inference.engines.upgrades import plan_upgrade
from bisenetformer_ros.inference.graph.contract import GraphInfo

RUN_GRAPHS = ("onnxruntime", "openvino")
"""The engines that open ONNX files."""


def find_faster(
    weights: Path, task: str, device: str, precision: str, frame_size: tuple[int, int]
) -> tuple[Engine | None, list[str]]:
    """An engine that is faster than PyTorch on `device`, if its files are there; and why others were passed over."""
    reasons = []
    for name in faster_than_torch(task, device):
        upgrade = plan_upgrade(name, weights, task, device, precision, frame_size)
        if find_spec(name) is None:
            reasons.append(f"{name} is not installed")
        elif not upgrade.path.is_file():
            reasons.append(f"{name} has no file for frames of this size (to make it: {upgrade.by_hand()})")
        else:
            try:
                return upgrade.open(), reasons
            except BiSeNetFormerError as error:
                reasons.append(f"{name} does not work: {error}")
    return None, reasons


def open_weights(weights: Path, task: str, device: str, precision: str) -> EngineByFrameSize:
    """PyTorch for a weights file, and faster engines for the frame sizes that there are files for."""
    general = open_engine(weights, task, "torch", device, precision)
    return EngineByFrameSize(general, partial(find_faster, weights, task, general.device, precision))


def open_graph(path: Path, task: str, device: str, precision: str) -> Engine:
    """The fastest engine that can run an ONNX file; raises ModelError for the file, EngineError with all reasons."""
    GraphInfo.load(path).check(path, task)
    on_gpu = torch.cuda.is_available() if device == "auto" else device != "cpu"
    reasons = []
    for name in fastest_first(task, "cuda" if on_gpu else "cpu"):
        if name in RUN_GRAPHS:
            try:
                return open_engine(path, task, name, device, precision)
            except EngineError as error:
                reasons.append(f"{name}: {error}")
    raise EngineError(f"no engine can run {path}: {'; '.join(reasons)}")


def explain_choice(engine: Engine) -> str:
    """What runs and, if it was chosen, why no other does: "torch on cpu, bf16; openvino is not installed; slower
    here: onnxruntime; only for NVIDIA GPUs: tensorrt"."""
    parts = [f"{engine.name} on {engine.device}, {engine.precision}"]
    if isinstance(engine, EngineByFrameSize):
        ranked = fastest_first(engine.task, engine.device)
        parts += engine.not_taken
        if behind := ranked[ranked.index(engine.name) + 1 :]:
            parts.append(f"slower here: {', '.join(behind)}")
        if others := [name for name in ENGINES[1:] if name not in ranked]:
            parts.append(f"only for NVIDIA GPUs: {', '.join(others)}")
    return "; ".join(parts)
