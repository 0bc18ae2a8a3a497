"""`torchrun --nproc-per-node 2 distributed_run.py DIRECTORY STOP`: a short run in double precision by two processes.

Continues a run that is there. After iteration STOP the last process, and it alone, gets a SIGTERM.
"""

import os
import signal
import sys
from pathlib import Path

import short_run
import torch

from bisenetformer_ros.training.distributed import joined_world

CHANGES = {"iterations": 20, "batch_size": 4, "ema_decay": 0.9, "validation": {"kind": "squares"}, "validate_every": 10}

if __name__ == "__main__":
    with joined_world(torch.device("cpu")) as world:
        run = short_run.trainer(Path(sys.argv[1]), world, torch.float64, **CHANGES)
        run.resume()
        ending = short_run.Ending(int(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGTERM))
        stopped_by = run.run(0, [ending] if world.rank == world.size - 1 else [])
        print(f"process {world.rank} of {world.size} ends after {run.iteration}, signal {stopped_by}")
