from pathlib import Path

import pytest

from bisenetformer_ros.machine import available_memory_mib, computes_bf16, oversubscription


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 avx512_vnni", True),  # AMD Zen 4, Intel Cooper Lake
        ("flags\t\t: fpu avx512f amx_bf16 amx_tile", True),
        ("flags\t\t: fpu avx2 avx512f avx512bw", False),  # Skylake: no products of bf16
        ("Features\t: fp asimd evtstrm aes", False),  # ARM
    ],
)
def test_bf16_is_read_from_the_flags_of_the_kernel(tmp_path: Path, line: str, expected: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nmodel name\t: any\n{line}\n\nprocessor\t: 1\n")
    assert computes_bf16(cpuinfo) is expected


def test_a_system_without_that_file_computes_none(tmp_path: Path) -> None:
    assert not computes_bf16(tmp_path / "cpuinfo")


def test_available_memory_is_that_of_the_kernel(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    assert available_memory_mib(meminfo) is None
    meminfo.write_text("MemTotal:       16000000 kB\nMemFree:          500000 kB\nMemAvailable:    2097152 kB\n")
    assert available_memory_mib(meminfo) == 2048
    assert available_memory_mib() > 0


def test_more_processes_than_cores_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("os.getloadavg", lambda: (4.9, 9.0, 9.0))
    assert oversubscription() == ""
    monkeypatch.setattr("os.getloadavg", lambda: (5.1, 1.0, 1.0))
    assert oversubscription() == "the load average is 5.1 on 4 cores"
