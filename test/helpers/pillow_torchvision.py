"""A package `torchvision` whose `io.decode_jpeg` is Pillow's, since the real one belongs to one build of PyTorch.

It prints every picture, and fails on those that are 40 pixels wide.
"""

from pathlib import Path

IO = """
import enum, io
import numpy as np, PIL.Image, torch

ImageReadMode = enum.Enum("ImageReadMode", "GRAY RGB")

def decode_jpeg(data, mode, device):
    pixels = np.atleast_3d(PIL.Image.open(io.BytesIO(data.numpy().tobytes())))
    assert pixels.shape[2] == {"GRAY": 1, "RGB": 3}[mode.name]
    print("torchvision decodes", *pixels.shape, flush=True)
    if pixels.shape[1] == 40:
        raise RuntimeError("nvjpegDecode failed: 5\\nand what CUDA advises")
    return torch.tensor(np.ascontiguousarray(pixels@CHANGE@)).permute(2, 0, 1).to(device)
"""


def write_torchvision(folder: Path, change: str = "") -> None:
    """Write the package into a folder for `sys.path`; `change` is Python that follows the (H, W, C) pixels."""
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").touch()
    (folder / "torchvision" / "io.py").write_text(IO.replace("@CHANGE@", change))
