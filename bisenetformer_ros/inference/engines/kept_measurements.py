"""Measurements of earlier runs, in a JSON file of the cache folder; a folder that cannot be used holds none."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from bisenetformer_ros import __version__
from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.inference.engines.measuring import EngineTiming
from bisenetformer_ros.inference.graph.cache import cache_folder, sha256_of
from bisenetformer_ros.machine import describe_machine, oversubscription

FILE_NAME = "measurements.json"
MAX_KEPT = 200
"""Comparisons in the file; the oldest give way."""
LIBRARIES = ("onnxruntime", "openvino", "tensorrt")


class KeptMeasurements:
    """The comparisons of engines for one model and task on this machine."""

    def __init__(self, model: Path, task: str, device: str) -> None:
        """
        Args:
            model: File; its content identifies it.
            task: One of TASKS.
            device: Of the engines, "cpu" or "cuda:N".
        """
        name = describe_machine()["processor"] if device == "cpu" else torch.cuda.get_device_name(device)
        versions = [f"bisenetformer_ros {__version__}", f"torch {torch.__version__}", *map(_version, LIBRARIES)]
        parts = (name, f"{torch.get_num_threads()} threads", *versions)
        self._prefix = "; ".join((*parts, sha256_of(model)[:12], task, ""))

    def read(self, frame_size: tuple[int, int], keys: Sequence[str]) -> tuple[EngineTiming, ...]:
        """Return what was measured for frames of (height, width) with exactly these candidates; empty if nothing."""
        with suppress(KeyError, TypeError):  # of another version of the file
            return tuple(EngineTiming(**values) for values in _load()[self._name(frame_size, keys)])
        return ()

    def latest(self) -> tuple[EngineTiming, ...]:
        """Return the last comparison of the model, for any frame size and candidates; empty if there is none."""
        comparisons = [kept for name, kept in _load().items() if name.startswith(self._prefix)]
        with suppress(IndexError, TypeError):
            return tuple(EngineTiming(**values) for values in comparisons[-1])
        return ()

    def keep(self, frame_size: tuple[int, int], measurements: Sequence[EngineTiming]) -> None:
        """Keep a comparison, unless other processes have disturbed it or the cache folder cannot be written."""
        folder = cache_folder()
        if folder is None or oversubscription():
            return
        name = self._name(frame_size, [each.key for each in measurements])
        kept = {other: values for other, values in _load().items() if other != name}
        kept[name] = [asdict(each) for each in measurements]
        newest = dict(list(kept.items())[-MAX_KEPT:])
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / FILE_NAME, json.dumps(newest, indent=1).encode())

    def _name(self, frame_size: tuple[int, int], keys: Sequence[str]) -> str:
        return f"{self._prefix}{'{}x{}'.format(*frame_size)}; {' | '.join(keys)}"


def _load() -> dict[str, Any]:
    folder = cache_folder()
    with suppress(OSError, ValueError):  # missing, or not JSON
        content = json.loads((folder / FILE_NAME).read_bytes()) if folder else {}
        return content if isinstance(content, dict) else {}
    return {}


def _version(library: str) -> str:
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return f"no {library}"
