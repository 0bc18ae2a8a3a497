import os
import subprocess
import sys

PAGES_TAKEN_BY_THE_SECOND_ROUND = """
import resource, threading, numpy
from bisenetformer_ros.inference.engines.allocator import keep_freed_memory
{setting}
def work():
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for mib in (100, 40, 100):
            numpy.ones(mib * 2**20, numpy.uint8)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
{call}
"""
IN_A_THREAD = "thread = threading.Thread(target=work); thread.start(); thread.join()"


def pages_taken(setting: str, call: str) -> int:
    """In a process of its own, since the setting cannot be taken back."""
    script = PAGES_TAKEN_BY_THE_SECOND_ROUND.format(setting=setting, call=call)
    command = [sys.executable, "-c", script]
    environment = os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"}  # pages of one size, so that they can be counted
    return int(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


def test_memory_comes_from_the_kernel_once() -> None:
    for call in ("work()", IN_A_THREAD):
        assert pages_taken("keep_freed_memory()", call) < 0.1 * pages_taken("", call)
