"""Several processes that train one network: who is who, and what they share. Without torchrun all of this is nothing.

Gradients are averaged by DistributedDataParallel; what a loss is divided by is averaged here, so that the sum over the
processes is that of one process with the whole batch.
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
"""The others wait that long for the one that measures on the validation images."""


@dataclass(frozen=True)
class World:
    """rank: of this process, 0..size - 1. device: that it computes on."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files and speaks to people."""
        return self.rank == 0


@contextmanager
def joined_world(device: torch.device) -> Iterator[World]:
    """The processes that torchrun started, each with a GPU of its own if `device` is one; else this process alone."""
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


def num_processes() -> int:
    return dist.get_world_size() if _has_joined() else 1


def _has_joined() -> bool:
    return dist.is_available() and dist.is_initialized()  # some builds of PyTorch for small boards are without


def average(values: Tensor) -> Tensor:
    """The mean over the processes; not differentiated."""
    if not _has_joined():
        return values
    total = values.detach().clone()
    dist.all_reduce(total)
    return total / num_processes()


def largest(number: int, device: torch.device) -> int:
    """The largest of the numbers of all processes."""
    if not _has_joined():
        return number
    found = torch.tensor(number, device=device)
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return int(found)


def gather(value: Any) -> list[Any]:
    """The values of all processes, in order of their ranks."""
    if not _has_joined():
        return [value]
    values = [None] * num_processes()
    dist.all_gather_object(values, value)
    return values


def wait_for_all() -> None:
    if _has_joined():
        dist.barrier()
