"""What the machine can do at best: the rate of a matrix product, and of memory.

The best of several repetitions, since anything that disturbs a measurement makes it slower. PyTorch's own products are
the measure, as its convolutions come from the same library; sizes are such that caches do not limit the first, and do
not help the second.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter

import torch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.int8}
MATRIX_SIZE = {"cpu": 2048, "cuda": 8192}
COPIED_BYTES = {"cpu": 2**28, "cuda": 2**31}


@dataclass(frozen=True)
class Ceilings:
    """matmul_gmacs: precision → 10⁹ multiply-accumulates per second. bandwidth_gbs: 10⁹ bytes per second, read and
    written."""

    matmul_gmacs: dict[str, float]
    bandwidth_gbs: float

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def measure_ceilings(device: torch.device, precisions: set[str], repetitions: int = 10) -> Ceilings:
    """precisions: keys of DTYPES."""
    rates = {name: matmul_gmacs(device, DTYPES[name], repetitions) for name in sorted(precisions)}
    return Ceilings(rates, bandwidth_gbs(device, repetitions))


@torch.inference_mode()
def matmul_gmacs(device: torch.device, dtype: torch.dtype, repetitions: int) -> float:
    size = MATRIX_SIZE[device.type]
    left, right = (torch.rand(size, size, device=device).mul(100).to(dtype) for _ in range(2))
    if dtype == torch.int8:  # sums of 32 bits
        seconds = _best_seconds(lambda: torch._int_mm(left, right), device, repetitions)
    else:
        product = torch.empty_like(left)
        seconds = _best_seconds(lambda: torch.mm(left, right, out=product), device, repetitions)
    return size**3 / 1e9 / seconds


@torch.inference_mode()
def bandwidth_gbs(device: torch.device, repetitions: int) -> float:
    source = torch.rand(COPIED_BYTES[device.type] // 4, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / 1e9 / _best_seconds(lambda: target.copy_(source), device, repetitions)


def _best_seconds(function: Callable[[], object], device: torch.device, repetitions: int) -> float:
    def seconds() -> float:
        synchronize(device)
        start = perf_counter()
        function()
        synchronize(device)
        return perf_counter() - start

    seconds()
    return min(seconds() for _ in range(repetitions))


def synchronize(device: torch.device) -> None:
    """Waits for the GPU, which works on after calls return; on the CPU there is nothing to wait for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
