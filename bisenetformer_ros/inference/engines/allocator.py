"""The C library's allocator, told to keep what is freed for the next frame.

Feature maps of large frames have tens of MiB. glibc takes such pieces from the kernel and gives them back, one by one:
every frame pays for its pages anew, which is up to an eighth of its time.
"""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # malloc.h
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """From now on, for the whole process: memory that is freed stays with it, and threads that start share one pool.

    The process holds what its largest frame took. Without glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_M_MMAP_MAX, 0)  # no piece comes from the kernel on its own
    mallopt(_M_TRIM_THRESHOLD, _NEVER)  # and what is free at the end of the pool does not go back
    mallopt(_M_ARENA_MAX, 1)  # the pools of single threads hold no large pieces
