"""Training by several processes. Without torchrun, all functions are no-ops.

DistributedDataParallel averages the gradients. The divisors of the losses are averaged here, so that the result is that
of one process with the whole batch.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

_PATIENCE = timedelta(hours=1)
"""Processes wait this long for each other, as at the end of a validation."""


@dataclass(frozen=True)
class World:
    """The number of processes, and rank (0..size - 1) and device of this one."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0


@contextmanager
def joined_world(device: torch.device) -> Iterator[World]:
    """Join the processes that torchrun started, one GPU each if `device` is one. Without torchrun, a world of one."""
    if not (dist.is_available() and dist.is_torchelastic_launched()):
        yield World(0, 1, device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield World(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()


def default_workers() -> int:
    """Return how many loaders each process of this machine may have: its share of the cores less one, at least 1."""
    cores = len(os.sched_getaffinity(0))
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")) - 1)


def num_processes() -> int:
    return dist.get_world_size() if _has_joined() else 1


def _has_joined() -> bool:
    return dist.is_available() and dist.is_initialized()  # PyTorch for small boards may lack it


def average(values: Tensor) -> Tensor:
    """Average over the processes, without gradient."""
    if not _has_joined():
        return values
    total = values.detach().clone()
    dist.all_reduce(total)
    return total / num_processes()


def largest(number: int, device: torch.device) -> int:
    """Return the largest number of all processes."""
    if not _has_joined():
        return number
    found = torch.tensor(number, device=device)
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return int(found)


def gather(value: Any) -> list[Any]:
    """Gather the values of all processes, in the order of their ranks."""
    if not _has_joined():
        return [value]
    values = [None] * num_processes()
    dist.all_gather_object(values, value)
    return values


def wait_for_all() -> None:
    if _has_joined():
        dist.barrier()
