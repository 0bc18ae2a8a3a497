"""How PyTorch's OpenMP waits, as OpenMP itself shows it when it is loaded."""

import os
import subprocess
import sys

import pytest


def spin_count(*imports: str, **variables: str) -> str:
    """Return GOMP_SPINCOUNT of a process that imports the modules in this order."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    }
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE"} | variables
    command = [sys.executable, "-c", f"import {', '.join(imports)}"]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr
    lines = [line.split("'")[1] for line in shown.splitlines() if "GOMP_SPINCOUNT" in line]
    if not lines:
        pytest.skip("this PyTorch uses another OpenMP than GCC's")
    return lines[0]


@pytest.mark.parametrize("module", ["bisenetformer_ros.segmenter", "bisenetformer_ros.training.learner"])
def test_threads_wait_for_each_other_without_spinning_long(module):
    assert spin_count(module) == "1000"


def test_a_choice_of_the_user_stays():
    assert spin_count("bisenetformer_ros", "torch", GOMP_SPINCOUNT="7") == "7"
    chosen = spin_count("bisenetformer_ros", "torch", OMP_WAIT_POLICY="ACTIVE")
    assert chosen == spin_count("torch", OMP_WAIT_POLICY="ACTIVE") != "1000"
