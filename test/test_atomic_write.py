import fcntl
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from patience import until

from bisenetformer_ros.atomic_write import write_atomically, write_together


def test_a_file_appears_and_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.engine"
    for content in (b"one", memoryview(b"two, longer")):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["a.engine"]


def test_an_interruption_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.engine"
    write_atomically(path, b"old")

    def interrupt(descriptor: int) -> None:
        assert path.read_bytes() == b"old"
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.engine"]


def test_a_missing_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_atomically(tmp_path / "nowhere" / "a.engine", b"")


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_mode_follows_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "a.engine", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a.engine").stat().st_mode & 0o777 == mode


def test_files_that_belong_together_are_replaced_together(tmp_path: Path) -> None:
    sidecar, engine = tmp_path / "a.json", tmp_path / "a.engine"
    write_together({sidecar: b"old", engine: b"old"})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))  # as on a full disk
    try:
        with pytest.raises(OSError, match="File too large"):
            write_together({sidecar: b"new", engine: bytes(200)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (sidecar.read_bytes(), engine.read_bytes()) == (b"old", b"old")
    assert sorted(os.listdir(tmp_path)) == ["a.engine", "a.json"]


def test_processes_replace_files_that_belong_together_one_after_the_other(tmp_path: Path) -> None:
    sidecar, engine = tmp_path / "a.json", tmp_path / "a.engine"
    write_together({sidecar: b"old", engine: b"old"})
    writer = f"""
from pathlib import Path
from bisenetformer_ros.atomic_write import write_together
write_together({{Path({str(sidecar)!r}): b"new", Path({str(engine)!r}): b"new"}})
"""
    turn = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)
    with subprocess.Popen([sys.executable, "-c", writer]) as process:
        until(lambda: process.poll() is not None or is_waiting(process.pid), lambda: "the writer is not waiting")
        assert process.poll() is None
        assert (sidecar.read_bytes(), engine.read_bytes()) == (b"old", b"old")
        os.close(turn)
    assert (sidecar.read_bytes(), engine.read_bytes()) == (b"new", b"new")


def is_waiting(pid: int) -> bool:
    """Whether a process waits for a lock, as the kernel says."""
    locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    return any("-> FLOCK" in line and str(pid) in line.split() for line in locks)


@pytest.mark.parametrize("name", ["a" * 255, "\N{SNOWMAN}" * 85])
def test_names_may_have_255_bytes(tmp_path: Path, name: str) -> None:
    write_atomically(tmp_path / name, b"content")
    assert os.listdir(tmp_path) == [name]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, b"new")
    assert os.read(reader, 100) == b"new"
    os.close(reader)
    assert pipe.is_fifo()
