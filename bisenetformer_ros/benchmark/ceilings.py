"""The machine's peak rates of matrix products and memory, and the network's arithmetic to compare with.

Rates are the best of several repetitions, since any disturbance makes a measurement slower. PyTorch's matrix products
are measured, since its convolutions use the same library. Sizes are chosen so that caches neither limit the products
nor speed up the copies.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bisenetformer_ros.model.builders import build_model
from bisenetformer_ros.model.folding import fold

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.int8}
MATRIX_SIZE = {"cpu": 2048, "cuda": 8192}
COPIED_BYTES = {"cpu": 2**28, "cuda": 2**31}


@dataclass(frozen=True)
class Ceilings:
    """Peak rates.

    Attributes:
        matmul_gmacs: Precision → 10⁹ multiply-accumulates per second.
        bandwidth_gbs: 10⁹ bytes per second, read and written.
    """

    matmul_gmacs: dict[str, float]
    bandwidth_gbs: float

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def measure_ceilings(device: torch.device, precisions: set[str], repetitions: int = 10) -> Ceilings:
    """Measure the peak rates for `precisions`, keys of DTYPES."""
    rates = {name: _matmul_gmacs(device, DTYPES[name], repetitions) for name in sorted(precisions)}
    return Ceilings(rates, _bandwidth_gbs(device, repetitions))


def network_gmacs(architecture: Mapping[str, Any], padded_size: tuple[int, int]) -> float:
    """Count the arithmetic of the folded network, which the engines run, on one image, without running it.

    Args:
        architecture: As in a model's metadata.
        padded_size: (height, width) of the input.

    Returns:
        10⁹ multiply-accumulates of convolutions, matrix products and attention; normalizations, activations and
        interpolations are not counted.
    """
    with torch.device("meta"):
        network = fold(build_model(**architecture))
        images = torch.empty(1, 3, *padded_size)
    with torch.no_grad():
        network(images)  # fills the cache for this size
        with FlopCounterMode(display=False) as counter:
            network(images)
    return counter.get_total_flops() / 2e9


@torch.inference_mode()
def _matmul_gmacs(device: torch.device, dtype: torch.dtype, repetitions: int) -> float:
    size = MATRIX_SIZE[device.type]
    left, right = (torch.rand(size, size, device=device).mul(100).to(dtype) for _ in range(2))
    if dtype == torch.int8:  # accumulates in 32 bits
        seconds = _best_seconds(lambda: torch._int_mm(left, right), device, repetitions)
    else:
        product = torch.empty_like(left)
        seconds = _best_seconds(lambda: torch.mm(left, right, out=product), device, repetitions)
    return size**3 / 1e9 / seconds


@torch.inference_mode()
def _bandwidth_gbs(device: torch.device, repetitions: int) -> float:
    source = torch.rand(COPIED_BYTES[device.type] // 4, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / 1e9 / _best_seconds(lambda: target.copy_(source), device, repetitions)


def _best_seconds(function: Callable[[], object], device: torch.device, repetitions: int) -> float:
    def seconds() -> float:
        _synchronize(device)
        start = perf_counter()
        function()
        _synchronize(device)
        return perf_counter() - start

    seconds()
    return min(seconds() for _ in range(repetitions))


def _synchronize(device: torch.device) -> None:
    """Wait for the GPU, which is asynchronous."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
