"""Checks of installed libraries whose mismatch would otherwise surface as a traceback, or as something else."""

import contextlib
import importlib
import importlib.metadata
import io
import re
from importlib.util import find_spec

from bisenetformer_ros.commands import quoted
from bisenetformer_ros.errors import ConfigError, EngineError

OLDEST_TORCH = (2, 3)
"""Of inference: JetPack 6.0's."""
OLDEST_EXPORTING_TORCH = (2, 8)


def check_opencv() -> None:
    """Import OpenCV, which the system builds for one major version of numpy.

    Raises:
        ConfigError: It cannot be imported; a clash with numpy is named with the command that resolves it.
        ModuleNotFoundError: It is not installed.
    """
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # numpy explains itself in 30 lines
            importlib.import_module("cv2")
    except ModuleNotFoundError:
        raise
    except ImportError as error:
        spec = find_spec("cv2")
        opencv = f"OpenCV ({spec.origin})" if spec else "OpenCV"
        if "numpy" not in str(error):
            raise ConfigError(f"{opencv} cannot be imported: {error}") from error
        numpy = importlib.metadata.version("numpy")
        raise ConfigError(
            f"{opencv} is built for another numpy than {numpy}, which is installed here; Ubuntu 22.04 and 24.04 need "
            f"numpy 1: {quoted(('pip', 'install', 'numpy<2'))}"
        ) from error


def check_torch(oldest: tuple[int, int], purpose: str, advice: str) -> None:
    """Check the version of PyTorch; a preview build such as NVIDIA's 2.5.0a0 counts as its release.

    Args:
        oldest: (major, minor).
        purpose: What needs it, "inference".
        advice: What to do with an older one.

    Raises:
        EngineError: PyTorch is older.
    """
    import torch

    numbers = re.findall(r"\d+", torch.__version__)
    if (int(numbers[0]), int(numbers[1])) < oldest:
        needed = "{}.{}".format(*oldest)
        raise EngineError(f"{purpose} needs PyTorch {needed} or newer, this is {torch.__version__}; {advice}")
