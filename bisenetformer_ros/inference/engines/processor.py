"""What this machine's processor can do."""

from pathlib import Path

_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}


def computes_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether an x86 processor multiplies bf16 itself; others widen to fp32 first, which is slower than fp32 alone."""
    if not cpuinfo.is_file():
        return False
    lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
    return not _BF16_FLAGS.isdisjoint(flags.split())
