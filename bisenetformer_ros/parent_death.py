"""`python -m bisenetformer_ros.parent_death PID COMMAND …`: execs COMMAND, which Linux kills when its parent PID ends.

A `preexec_fn` would do the same but is not safe in a process with threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == int(parent):  # otherwise the parent ended before prctl
        os.execvp(command[0], command)


if __name__ == "__main__":
    main()
