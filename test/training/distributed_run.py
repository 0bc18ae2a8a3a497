"""`torchrun --nproc-per-node 2 distributed_run.py DIRECTORY`: a short run in double precision by two processes.

After iteration 11 the last process, and it alone, gets a SIGTERM; then the run is continued.
"""

import os
import signal
import sys
from pathlib import Path

import short_run
import torch

from bisenetformer_ros.training.distributed import World, joined_world

STOP_AFTER = 11


def train(directory: Path, world: World) -> str:
    run = short_run.trainer(directory, world, torch.float64, **short_run.SHARED_BY_TWO)
    continued = run.resume()
    ending = short_run.Ending(STOP_AFTER, lambda: os.kill(os.getpid(), signal.SIGTERM))
    stopped_by = run.run(0, [ending] if world.rank == world.size - 1 else [])
    return f"process {world.rank} {'continued' if continued else 'began'}, ends after {run.iteration} by {stopped_by}"


if __name__ == "__main__":
    with joined_world(torch.device("cpu")) as world:
        for _ in range(2):
            print(train(Path(sys.argv[1]), world))
