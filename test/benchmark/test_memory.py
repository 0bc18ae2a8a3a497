import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bisenetformer_ros.benchmark.contestants import EngineContestant
from bisenetformer_ros.benchmark.memory import measure_peak_mib
from bisenetformer_ros.errors import EngineError

PEAK_OF = "import numpy; from bisenetformer_ros.benchmark.memory import peak_mib; {}; print(peak_mib())"


def peak_of(statement: str) -> float:
    command = [sys.executable, "-c", PEAK_OF.format(statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_freed_memory_counts() -> None:
    difference = peak_of("held = numpy.ones(400 * 2**17); del held") - peak_of("pass")
    assert difference == pytest.approx(400, abs=40)


def test_contestants_are_measured_in_their_own_process(random_weights: Path) -> None:
    here = np.ones(2**27)  # 1 GiB that the other process does not have
    contestant = EngineContestant(random_weights, "semantic", "torch", "cpu", "fp32", (0.8, 0.8))
    peak = measure_peak_mib(contestant, np.zeros((64, 96, 3), np.uint8))
    assert 100 < peak < here.nbytes / 2**20


def test_a_crashed_process_is_an_error(tmp_path: Path) -> None:
    contestant = EngineContestant(tmp_path / "missing", "semantic", "torch", "cpu", "fp32", (0.8, 0.8))
    with pytest.raises(EngineError, match="torch fp32: the process that measures memory exited early, exit code 1"):
        measure_peak_mib(contestant, np.zeros((64, 96, 3), np.uint8))
