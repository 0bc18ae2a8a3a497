"""Reads the tensors of pickled checkpoints: PyTorch's, and detectron2's pickles of NumPy arrays.

No code from a file is run. NumPy's types are replaced by stand-ins that only keep the numbers.
"""

import pickle
import re
import sys
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from bisenetformer_ros.errors import ModelError

_DTYPES = {"f2": torch.float16, "f4": torch.float32, "f8": torch.float64, "i4": torch.int32, "i8": torch.int64}
_NATIVE = ("=", "|", "<" if sys.byteorder == "little" else ">")


class NumpyValue:
    """Stands in for a NumPy array, scalar or dtype: keeps the arguments and the state of its pickle."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def to_tensor(self) -> Tensor | None:
        """Return an array as a tensor; None for anything else, and for orders and types that no checkpoint uses."""
        match self.state:
            case (_, shape, NumpyValue(arguments=(str(kind), *_), state=(_, order, *_)), False, bytes(data)):
                if kind in _DTYPES and order in _NATIVE:
                    return torch.frombuffer(bytearray(data), dtype=_DTYPES[kind]).reshape(shape)
        return None


_GLOBALS = [("numpy", "dtype"), ("numpy", "ndarray")] + [
    (module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")  # before and since NumPy 2
    for name in ("scalar", "_reconstruct")
]
# Each under its own name, as PyTorch 2.5 takes no names beside the classes.
_STAND_INS = {f"{module}.{name}": type(name, (NumpyValue,), {"__module__": module}) for module, name in _GLOBALS}


class _Unpickler(pickle._Unpickler):
    """In Python: the unpickler in C reserves memory for whatever memo index a file names."""

    # Without bytearrays, which no checkpoint holds: memory is reserved for whatever length a file names.
    dispatch: ClassVar[dict[int, Any]] = {
        code: load for code, load in pickle._Unpickler.dispatch.items() if code != pickle.BYTEARRAY8[0]
    }

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" in _STAND_INS:
            return _STAND_INS[f"{module}.{name}"]
        raise pickle.UnpicklingError(f"GLOBAL {module}.{name}")  # as PyTorch says it


def read_pickled_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint.

    Args:
        path: A file of torch.save; with the suffix .pkl, a pickle of NumPy arrays.

    Returns:
        Name → tensor, unwrapped from a "model" or "state_dict" entry and from DistributedDataParallel's "module.".

    Raises:
        ModelError: The file is corrupt, or holds objects other than tensors, numbers and containers of them.
    """
    try:
        content = _load(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # on foreign bytes the unpickler may raise anything
        raise ModelError(
            f"{path}: expected a PyTorch checkpoint with only tensors; the file is corrupt, of another kind, or holds "
            f"other objects, which are not loaded since they could run code ({_reason(error)})"
        ) from error
    for wrapper in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not content:
        raise ModelError(f"{path}: expected a mapping of names to tensors, got {type(content).__name__}")
    tensors = {str(name): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
    return without_ddp_prefix(tensors)


def without_ddp_prefix(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove the "module." that DistributedDataParallel puts before every name."""
    if not all(name.startswith("module.") for name in tensors):
        return tensors
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def _load(path: Path) -> Any:
    if path.suffix.lower() != ".pkl":
        with _allow_stand_ins():
            return torch.load(path, map_location="cpu", weights_only=True)
    content = _Unpickler(BytesIO(path.read_bytes())).load()  # a file would reserve memory for lengths, too
    arrays = content.get("model", content) if isinstance(content, dict) else {}
    return {name: array.to_tensor() for name, array in arrays.items() if isinstance(array, NumpyValue)} or content


def _allow_stand_ins() -> AbstractContextManager[Any]:
    """Let torch.load build the stand-ins; before PyTorch 2.5, files that need them are refused."""
    if not hasattr(torch.serialization, "safe_globals"):
        return nullcontext()
    return torch.serialization.safe_globals([*_STAND_INS.values()])


def _reason(error: Exception) -> str:
    """Summarize an error of torch.load, without its advice to load the file anyway."""
    foreign = re.search(r"(?:GLOBAL|Unsupported class) ([\w.]+)", str(error))  # since PyTorch 2.4, before
    if foreign:
        return f"it requires {foreign[1]}"
    if isinstance(error, pickle.UnpicklingError) or not str(error):
        return type(error).__name__
    return str(error).splitlines()[0].partition(". ")[0]
