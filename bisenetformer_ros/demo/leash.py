"""`python -m bisenetformer_ros.demo.leash COMMAND …`: becomes COMMAND, which cannot outlive its parent process.

The kernel (Linux) kills it when the parent ends, in whatever way. A `preexec_fn` would do the same, but is not safe in
a process with threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
