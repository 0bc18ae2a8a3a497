"""Makes the C library's allocator keep freed memory for the next frame.

Feature maps of large frames take tens of MiB. glibc maps and unmaps every such block, so that each frame pays for its
page faults again: up to an eighth of its time.
"""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # malloc.h
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Keep freed memory in this process, in one arena for all threads started from now on.

    The process then keeps the memory of its largest frame. A no-op without glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_M_MMAP_MAX, 0)  # no block is mapped on its own
    mallopt(_M_TRIM_THRESHOLD, _NEVER)  # and the top of the heap is not returned
    mallopt(_M_ARENA_MAX, 1)  # arenas of single threads cannot hold large blocks
