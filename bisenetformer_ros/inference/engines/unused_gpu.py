"""Explains why an engine runs on the CPU of a machine that has an NVIDIA GPU."""

from importlib.util import find_spec
from pathlib import Path

import torch

SIGNS = {
    "dev/nvidia[0-9]*": "/{} exists",
    "dev/nvhost-gpu": "/{} exists",
    "dev/nvgpu": "/{} exists",
    "etc/nv_tegra_release": "this is a Jetson, by /{}",
}
"""Pattern of files that only a machine with such a GPU has → what to say about one."""


def gpu_sign(root: Path = Path("/")) -> str:
    """Return what shows that this machine has an NVIDIA GPU, for a message; empty if nothing does."""
    for pattern, words in SIGNS.items():
        for path in sorted(root.glob(pattern)):
            return words.format(path.relative_to(root))
    return "TensorRT is installed" if find_spec("tensorrt") else ""


def explain_unused_gpu(device: str, reason: str = "", root: Path = Path("/")) -> str:
    """Explain that an engine runs on the CPU although this machine has a GPU.

    Args:
        device: As requested; for any but "auto", nothing needs to be explained.
        reason: Why the engine does, if it could not use a GPU that PyTorch sees.
        root: Where the files of the system lie.

    Returns:
        The explanation and what to do; empty if there is no sign of a GPU.
    """
    sign = gpu_sign(root) if device == "auto" else ""
    if not sign:
        return ""
    if torch.version.cuda is None:
        reason = f"PyTorch {torch.__version__} is built without CUDA; install one that is built for this machine's CUDA"
    elif not torch.cuda.is_available():
        reason = (
            f"PyTorch {torch.__version__}, built for CUDA {torch.version.cuda}, sees none: compare with nvidia-smi "
            "(on a Jetson: the JetPack that this PyTorch is for); in a container, check its NVIDIA runtime and the "
            "groups of the device files"
        )
    return f"this machine has an NVIDIA GPU ({sign}), but the network runs on the CPU: {reason}; or set device to cpu"
