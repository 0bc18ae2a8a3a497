"""Inputs and outputs of a TensorRT engine as numpy arrays: types, shapes, sizes. Needs no TensorRT."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from bisenetformer_ros.errors import EngineError

DYNAMIC = -1
"""In a shape: the batch, whose size each call decides."""

NUMPY_TYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}
"""Member of `tensorrt.DataType` → numpy name. The other members (BF16, FP8, INT4, …) have none."""


@dataclass(frozen=True)
class TensorSpec:
    """One input or output; dtype is numpy's name, shape has DYNAMIC for the batch and is () for a scalar."""

    name: str
    is_input: bool
    dtype: str
    shape: tuple[int, ...]

    def array_shape(self, batch: int) -> tuple[int, ...]:
        """Return the shape for `batch` frames."""
        return tuple(batch if size == DYNAMIC else size for size in self.shape)

    def num_bytes(self, batch: int) -> int:
        return prod(self.array_shape(batch)) * np.dtype(self.dtype).itemsize

    def __str__(self) -> str:
        return f"{'input' if self.is_input else 'output'} {self.name} {self.dtype}{list(self.shape)}"


def numpy_type(tensorrt_type: str, tensor: str) -> str:
    """Return numpy's name of a `tensorrt.DataType`. Raises EngineError, which names `tensor`, if there is none."""
    try:
        return NUMPY_TYPES[tensorrt_type]
    except KeyError:
        raise EngineError(
            f"tensor '{tensor}' has TensorRT type {tensorrt_type}, expected one of {', '.join(NUMPY_TYPES)}: the graph "
            "was not exported by `bisenetformer export`"
        ) from None


def check_tensors(expected: Sequence[TensorSpec], found: Sequence[TensorSpec], where: str) -> None:
    """Check that both hold the same tensors, in any order. Raises EngineError with both sides of each difference."""
    missing = sorted(str(spec) for spec in set(expected) - set(found))
    surplus = sorted(str(spec) for spec in set(found) - set(expected))
    if missing or surplus:
        raise EngineError(
            f"{where}: expected {'; '.join(missing) or 'nothing else'}; found {'; '.join(surplus) or 'nothing else'}"
        )
