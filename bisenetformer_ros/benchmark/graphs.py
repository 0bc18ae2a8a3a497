"""Files for graph engines, exported or built on demand."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.benchmark.contestants import Contestant, EngineContestant
from bisenetformer_ros.benchmark.frames import load_calibration
from bisenetformer_ros.commands import pip_install
from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.engines.tensorrt.build import build_engine
from bisenetformer_ros.inference.graph.contract import GRAPH_PRECISIONS


@dataclass(frozen=True)
class GraphFiles:
    """Graphs for one frame size.

    Attributes:
        frame_size: (height, width) in pixels.
        frames: As in `Plan`; int8 is calibrated on frames that are not measured.
        status: Called with a message before anything slow.
    """

    folder: Path
    frame_size: tuple[int, int]
    frames: str | None
    status: Callable[[str], None]

    def prepare(self, contestant: Contestant) -> Contestant:
        """Return the contestant with the file that its engine runs. Raises EngineError if it cannot be made."""
        if not isinstance(contestant, EngineContestant) or contestant.engine == "torch":
            return contestant
        if find_spec(contestant.engine) is None:
            raise EngineError(f"{contestant.engine} is not installed")
        graph = self._graph(contestant)
        if contestant.engine == "tensorrt":
            return replace(contestant, model=self._engine_file(graph, contestant.device))
        return replace(contestant, model=graph)

    def _graph(self, contestant: EngineContestant) -> Path:
        precision = contestant.precision if contestant.precision in GRAPH_PRECISIONS else "fp32"
        height, width = self.frame_size
        path = self.folder / f"{contestant.task}-{contestant.semantic_order}-{height}x{width}-{precision}.onnx"
        if not path.is_file():
            self.status(f"exporting {path.name}")
            self._export(contestant, precision, path)
        return path

    def _export(self, contestant: EngineContestant, precision: str, path: Path) -> None:
        try:
            from bisenetformer_ros.inference.graph.onnx import ExportOptions, build_onnx
        except ImportError as error:
            packages = pip_install("onnx", "onnxruntime", "onnxscript")
            raise EngineError(f"cannot export graphs ({error}): {packages}") from error
        on_cpu = contestant.engine != "tensorrt" and not contestant.device.startswith("cuda")
        ends_at = "logits" if on_cpu and contestant.semantic_order == "full" else "results"
        options = ExportOptions(contestant.task, self.frame_size, precision, ends_at=ends_at)
        calibration = load_calibration(self.frames, self.frame_size) if precision == "int8" else []
        graph = build_onnx(contestant.model, options, calibration, contestant.semantic_order)
        write_atomically(path, graph.SerializeToString())

    def _engine_file(self, graph: Path, device: str) -> Path:
        path = graph.with_suffix(".engine")
        if not path.is_file():
            self.status(f"building {path.name}, which takes minutes")
            build_engine(graph, path, progress=None, device=device)
        return path
