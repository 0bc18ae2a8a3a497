"""Where PyTorch comes from: pip's default index has builds for CUDA, several GB that are useless without a GPU."""

import shutil
import subprocess
import sys
from pathlib import Path

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_TIMEOUT_S = 5.0


def has_nvidia_gpu(root: Path = Path("/")) -> bool:
    """Return whether a driver for NVIDIA GPUs is there; under WSL, `nvidia-smi` is its only trace."""
    traces = [*root.glob("dev/nvidia*"), *root.glob("proc/driver/nvidia")]
    return bool(traces) or shutil.which("nvidia-smi") is not None


def is_reachable(url: str, timeout_s: float) -> bool:
    """Fetch `url` once, in a process of its own: nothing else limits the time that a name look-up takes."""
    command = [sys.executable, "-c", "import sys, urllib.request; urllib.request.urlopen(sys.argv[1])", url]
    try:
        return subprocess.run(command, capture_output=True, timeout=timeout_s).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def choose_index(gpu: bool, index: str = CPU_INDEX, timeout_s: float = PROBE_TIMEOUT_S) -> tuple[list[str], str]:
    """Choose where pip looks for PyTorch.

    Returns:
        pip's options, and a line that reports the choice.
    """
    if gpu:
        return [], "an NVIDIA GPU is here: installing PyTorch for CUDA, several GB"
    if is_reachable(f"{index}/torch/", timeout_s):
        return ["--extra-index-url", index], "no NVIDIA GPU is here: installing PyTorch's CPU build"
    return [], (
        f"no NVIDIA GPU is here, but {index} with PyTorch's CPU builds cannot be reached: "
        "installing PyTorch from pip's default index, which may bring several GB of CUDA"
    )
