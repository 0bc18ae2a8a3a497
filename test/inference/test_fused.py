"""The kernels without a GPU: in Triton's interpreter, through its compiler for a GPU, and where they cannot run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bisenetformer_ros.inference.engines.cuda_graph import load_fuse

pytest.importorskip("triton", reason="Triton is not installed")

INTERPRETED = Path(__file__).with_name("interpreted_kernels.py")
COMPILE = """
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from bisenetformer_ros.inference import kernels

POINTERS = {"masks": "*fp16", "maps": "*fp32", "frames": "*u8", "images": "*fp16", "row_first": "*i32", "sums": "*i64",
    "column_first": "*i32", "queries": "*i32", "counts": "*i32", "labels": "*u8", "confidence": "*u8",
    "query_map": "*u8", **{name: "*fp32" for name in (
    "row_weights", "column_weights", "probabilities", "constant", "scores", "mean", "scale")}}
CONSTANTS = {"TAPS": 4, "BLOCK": 256, "CLASSES": 32, "NO_QUERY": 255, "NUM_SUMS": 9}
for name in ("sum_classes", "find_largest", "assign_pixels", "normalize"):
    kernel = getattr(kernels, name)
    constants = {(i,): CONSTANTS[arg] for i, arg in enumerate(kernel.arg_names) if arg in CONSTANTS}
    signature = {arg: "constexpr" if arg in CONSTANTS else POINTERS.get(arg, "i32") for arg in kernel.arg_names}
    compiled = compile(ASTSource(kernel, signature, constants), GPUTarget("cuda", 87, 32), {"num_warps": 8})
    print(name, len(compiled.asm["cubin"]), compiled.metadata.shared)
"""


def run(*arguments: str, **environment: str) -> str:
    """Run Python in a process whose Triton finds these variables; return what it printed."""
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=1100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_results_in_the_interpreter() -> None:
    assert " passed" in run("-m", "pytest", "-q", str(INTERPRETED), TRITON_INTERPRET="1")


def test_kernels_compile_for_orin(tmp_path: Path) -> None:
    assert len(run("-c", COMPILE, TRITON_CACHE_DIR=str(tmp_path)).splitlines()) == 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu_the_operators_serve() -> None:
    fuse, warning = load_fuse(torch.device("cpu"))
    assert fuse is None
    assert "its kernels cannot run: 0 active drivers" in warning
    assert "pip install triton" in warning
