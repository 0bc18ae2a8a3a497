"""Makes the processor take numbers below the normal range for zero.

It computes with them many times slower, and the activations of a network whose weights are small are full of them:
20 times slower for one with 1/1000 of its initial weights.
"""

import ctypes
import threading

import torch

_PAUSE_SOFT = 1  # omp.h
_thread = threading.local()


def flush_denormals() -> None:
    """Flush denormal numbers in this thread, in the OpenMP threads that compute for it, and in threads it starts later.

    A thread takes over the mode of the thread that starts it. OpenMP's threads, which may exist already, are ended;
    they start again when they are needed. The mode stays. A no-op on processors without it.
    """
    torch.set_flush_denormal(True)  # every time: the first session of ONNX Runtime sets the mode of its thread as well
    if not hasattr(_thread, "is_flushing"):
        _thread.is_flushing = True
        pause = getattr(ctypes.CDLL(None), "omp_pause_resource_all", None)  # since OpenMP 5.0
        if pause is not None:
            pause(_PAUSE_SOFT)
