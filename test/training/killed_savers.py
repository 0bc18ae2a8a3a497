"""Processes that only save, killed at random moments or just before the file is replaced.

    python killed_savers.py FILE NUM_KILLS

Prints one JSON line per kill: the number of the state found, and whether a save was interrupted.
"""

import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch

from bisenetformer_ros.training.run_state import RunState


@dataclass
class Recipe:
    name: str = "none"


def save_for_ever(run_state: RunState, first: int, saved: int) -> None:
    for number in count(first):
        run_state.save({"number": number, "weights": torch.full((300_000,), number)})
        os.write(saved, b".")


def main(path: Path, num_kills: int) -> None:
    torch.set_num_threads(1)  # threads do not survive a fork: a child that waits for them saves nothing
    run_state = RunState(path, Recipe())
    started = time.perf_counter()
    run_state.save({"number": 0, "weights": torch.zeros(300_000, dtype=torch.int64)})
    one_save = time.perf_counter() - started
    number = 0
    for kill in range(num_kills):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            if kill % 2:
                os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
            save_for_ever(run_state, number + 1, writing)
        os.close(writing)
        if kill % 2 == 0:
            for _ in range(kill // 2 % 4):
                os.read(reading, 1)
            time.sleep(random.uniform(0, 1) * one_save)
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        half_done = len(list(path.parent.glob("*.unfinished")))
        state = run_state.load(torch.device("cpu"))
        whole = bool((state["weights"] == state["number"]).all())
        print(json.dumps({"number": state["number"], "whole": whole, "half_done": half_done}))
        number = state["number"]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
