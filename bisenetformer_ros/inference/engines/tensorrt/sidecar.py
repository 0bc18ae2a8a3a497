"""The sidecar of a TensorRT engine file: NAME.engine.json describes what it was built from, for and with.

An engine file is valid for one graph, one version of TensorRT and one model of GPU. TensorRT finds out when it loads
the file, and how it reacts depends on its version; so the sidecar is checked first. Needs no TensorRT.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.commands import quoted
from bisenetformer_ros.errors import EngineError, ModelError
from bisenetformer_ros.inference.engines.tensorrt.golden import GoldenCheck
from bisenetformer_ros.inference.engines.tensorrt.tensors import TensorSpec
from bisenetformer_ros.inference.graph.contract import GraphInfo

FORMAT_VERSION = 2
MAX_MEMORY_RATIO = 1.25
"""Of two GPUs of one model, whose memory may differ a little by what the system reserves."""


@dataclass(frozen=True)
class Platform:
    """What an engine file is valid for.

    Every Orin is called "Orin" and has compute capability 8.7. Multiprocessors and memory tell their models apart.

    Attributes:
        tensorrt: Version of TensorRT.
        cuda: Version that PyTorch was built for; only the major number counts.
        gpu: Name of the GPU.
        compute_capability: Such as "8.7".
        multiprocessors: Their number, which a Jetson's power mode may reduce.
        memory_mib: Of the GPU; on a Jetson, of the system.
        power_mode: Of a Jetson; empty elsewhere. The engine is valid in another one, but slower than it could be.
    """

    tensorrt: str
    cuda: str
    gpu: str
    compute_capability: str
    multiprocessors: int
    memory_mib: int
    power_mode: str

    def differences(self, here: "Platform") -> list[str]:
        """Describe each difference between the platform of the build and `here`."""
        pairs: dict[str, tuple[object, object]] = {
            "TensorRT": (self.tensorrt, here.tensorrt),
            "CUDA": (self.cuda.split(".")[0], here.cuda.split(".")[0]),
            "GPU": (self.gpu, here.gpu),
            "compute capability": (self.compute_capability, here.compute_capability),
            "GPU with": (f"{self.multiprocessors} multiprocessors", f"{here.multiprocessors} multiprocessors"),
        }
        less, more = sorted((self.memory_mib, here.memory_mib))
        if more > MAX_MEMORY_RATIO * less:
            pairs["GPU memory of"] = (f"{self.memory_mib} MiB", f"{here.memory_mib} MiB")
        problems = [
            f"built for {what} {ours}, here is {found}" for what, (ours, found) in pairs.items() if ours != found
        ]
        return [*problems, *filter(None, [self.power_mode_warning(here)])] if problems else []

    def power_mode_warning(self, here: "Platform") -> str:
        """Return that `here` has another power mode, or an empty string; in a container it may be unknown."""
        if not self.power_mode or not here.power_mode or self.power_mode == here.power_mode:
            return ""
        return f"built in power mode {self.power_mode}, here is {here.power_mode}"


@dataclass(frozen=True)
class Sidecar:
    """The content of a sidecar.

    Attributes:
        engine_sha256: Of the engine file.
        onnx: Path of the graph, relative to the engine file.
        onnx_sha256: Of the graph.
        graph: Metadata of the graph.
        platform: What the engine was built for.
        max_batch: Most frames per run.
        tensors: Inputs and outputs.
        golden: None until the engine has been compared with ONNX Runtime.
        dla_core: Number of the deep learning accelerator that runs a part of it, or None.
    """

    engine_sha256: str
    onnx: str
    onnx_sha256: str
    graph: GraphInfo
    platform: Platform
    max_batch: int
    tensors: tuple[TensorSpec, ...]
    golden: GoldenCheck | None = None
    dla_core: int | None = None

    @classmethod
    def load(cls, engine_path: Path) -> "Sidecar":
        """Load the sidecar of an engine file.

        Raises:
            EngineError: If one of the two files is missing, or the sidecar is corrupt or of another version.
        """
        if not engine_path.is_file():
            raise EngineError(f"no engine file at {engine_path}; build it: {quoted(_build_command(engine_path))}")
        path = sidecar_path(engine_path)
        try:
            sidecar = cls._from_dict(json.loads(path.read_text(encoding="utf-8")))
            return replace(sidecar, graph=replace(sidecar.graph, path=engine_path))
        except FileNotFoundError:
            reason = "there is none: the engine file was built by something else, or copied without it"
        except (ValueError, KeyError, TypeError, AttributeError, ModelError) as error:
            reason = f"it cannot be read ({type(error).__name__}: {error})"
        raise EngineError(
            f"{engine_path}: expected a description of the engine in {path.name} beside it, but {reason}; rebuild it: "
            f"{quoted(_build_command(engine_path))}"
        )

    def save(self, engine_path: Path) -> None:
        write_atomically(sidecar_path(engine_path), self.content())

    def content(self) -> bytes:
        """Return the content of the file."""
        return (json.dumps(self._to_dict(), indent=2) + "\n").encode()

    def with_golden(self, golden: GoldenCheck) -> "Sidecar":
        return replace(self, golden=golden)

    def onnx_path(self, engine_path: Path) -> Path:
        return engine_path.parent / self.onnx

    def rebuild_command(self, engine_path: Path) -> str:
        """Return the command that rebuilds the engine from its graph, and that of the graph if it is missing."""
        onnx_path = Path(os.path.normpath(self.onnx_path(engine_path)))
        build = _build_command(engine_path, onnx_path)
        build += ("--dla-core", str(self.dla_core)) if self.dla_core is not None else ()
        if onnx_path.is_file():
            return quoted(build)
        return quoted(self.graph.export_command(onnx_path), build)

    def check(self, engine_path: Path, here: Platform) -> bytes:
        """Return the content of the engine file if it is valid here.

        Raises:
            EngineError: Names both sides of every difference, and the command that rebuilds the engine.
        """
        content = engine_path.read_bytes()
        problems = self.platform.differences(here)
        if digest(content) != self.engine_sha256:
            problems.append(f"the engine file is not the one described by {sidecar_path(engine_path).name}")
        onnx_path = self.onnx_path(engine_path)
        if onnx_path.is_file() and (found := digest(onnx_path.read_bytes())) != self.onnx_sha256:
            problems.append(
                f"built from a graph with sha256 {self.onnx_sha256[:12]}…, {onnx_path.name} has {found[:12]}…"
            )
        if problems:
            raise EngineError(
                f"{engine_path} is stale: {'; '.join(problems)}; rebuild it: {self.rebuild_command(engine_path)}"
            )
        return content

    def _to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT_VERSION,
            **vars(self),
            "graph": self.graph.to_strings(),
            "platform": asdict(self.platform),
            "tensors": [asdict(spec) for spec in self.tensors],
            "golden": self.golden and asdict(self.golden),
        }

    @classmethod
    def _from_dict(cls, values: Mapping[str, Any]) -> "Sidecar":
        values = dict(values)
        version = values.pop("format")
        if version != FORMAT_VERSION:
            raise ValueError(f"format {version}, this version of the package reads format {FORMAT_VERSION}")
        return cls(
            graph=GraphInfo.from_strings(values.pop("graph")),
            platform=Platform(**values.pop("platform")),
            tensors=tuple(TensorSpec(**{**spec, "shape": tuple(spec["shape"])}) for spec in values.pop("tensors")),
            golden=GoldenCheck(**golden) if (golden := values.pop("golden")) else None,
            **values,
        )


def sidecar_path(engine_path: Path) -> Path:
    return engine_path.with_name(engine_path.name + ".json")


def _build_command(engine_path: Path, onnx_path: Path | None = None) -> tuple[str, ...]:
    beside = engine_path.with_suffix(".onnx")
    graph = onnx_path or (beside if beside.is_file() else "GRAPH")
    return ("bisenetformer", "build-engine", str(graph), str(engine_path))


def digest(content: bytes | memoryview) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
