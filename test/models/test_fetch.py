"""Fetching over HTTP from servers and through connections that fail, each in its own way."""

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from file_server import FileServer
from patience import until

from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.models.fetch import CHUNK_BYTES, HashError, fetch

CONTENT = Random(0).randbytes(1_000_000)
OTHER = Random(1).randbytes(1_100_000)
CUT = 300_000
"""Bytes that come before an interruption; several chunks."""
SCRIPT = """
import resource, sys
from pathlib import Path
from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.models.fetch import fetch
url, path, limit = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    fetch(url, Path(path), None, 1e7, lambda done, total: None)
except ModelError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def path(tmp_path: Path, server: FileServer) -> Path:
    server.content = CONTENT
    return tmp_path / "models" / "a.pth"


def get(url: str, path: Path, sha256: str | None = None, limit: float = 1e7, timeout_s: float = 60) -> list[int]:
    """Fetch; return the progress."""
    progress: list[int] = []
    fetch(url, path, sha256, limit, lambda done, total: progress.append(done), timeout_s)
    return progress


def kept(path: Path) -> int:
    part = path.with_name("a.pth.part")
    return part.stat().st_size if part.exists() else 0


def interrupt(server: FileServer, path: Path) -> None:
    """Let the first part of the file come."""
    server.sent_bytes = CUT
    with pytest.raises(ModelError, match=r"MB are kept; the same command continues$"):
        get(server.url(), path)
    assert not path.exists()
    assert CUT - CHUNK_BYTES <= kept(path) <= CUT
    server.sent_bytes = None


def test_a_file_comes_whole(server: FileServer, path: Path) -> None:
    progress = get(server.url(), path, hashlib.sha256(CONTENT).hexdigest())
    assert path.read_bytes() == CONTENT
    assert progress == sorted(progress)
    assert progress[-1] == len(CONTENT)
    assert os.listdir(path.parent) == ["a.pth"]


def test_a_file_that_is_there_is_not_fetched_again(server: FileServer, path: Path) -> None:
    get(server.url(), path)
    assert get(server.url(), path, hashlib.sha256(CONTENT).hexdigest()) == []
    assert len(server.asked) == 1


def test_a_file_without_stated_length_comes_whole(server: FileServer, path: Path) -> None:
    server.states_length = False
    get(server.url(), path)
    assert path.read_bytes() == CONTENT


def test_a_missing_file_is_reported_with_the_answer(server: FileServer, path: Path) -> None:
    server.files["/model_final.pth"] = None
    with pytest.raises(
        ModelError, match=r"model_final.pth: expected the file, got the answer 404 Not Found; try again"
    ):
        get(server.url(), path)
    assert not path.exists()


def test_no_server_is_reported(server: FileServer, path: Path) -> None:
    url = server.url()
    server.shutdown()
    server.server_close()
    with pytest.raises(ModelError, match=r"Connection refused.*HTTPS_PROXY names a proxy"):
        get(url, path)


def test_a_truncated_file_is_continued(server: FileServer, path: Path) -> None:
    interrupt(server, path)
    before = kept(path)
    progress = get(server.url(), path)
    assert path.read_bytes() == CONTENT
    assert server.asked[-1][1]["range"] == f"bytes={before}-"
    assert progress[0] > before
    assert os.listdir(path.parent) == ["a.pth"]


def test_a_file_that_was_replaced_meanwhile_is_not_mixed(server: FileServer, path: Path) -> None:
    interrupt(server, path)
    server.content, server.version = OTHER, '"2"'
    get(server.url(), path)
    assert path.read_bytes() == OTHER


@pytest.mark.parametrize("version", [None, 'W/"1"'])
def test_without_a_version_the_file_comes_from_its_start(version: str | None, server: FileServer, path: Path) -> None:
    server.version = version
    interrupt(server, path)
    get(server.url(), path)
    assert path.read_bytes() == CONTENT
    assert "range" not in server.asked[-1][1]


def test_a_part_that_is_the_whole_file_does_not_stop_the_next_try(server: FileServer, path: Path) -> None:
    interrupt(server, path)
    path.with_name("a.pth.part").write_bytes(CONTENT)
    get(server.url(), path)
    assert path.read_bytes() == CONTENT


def test_a_silent_server_is_given_up(server: FileServer, path: Path) -> None:
    server.sent_bytes, server.stalls = CUT, True
    with pytest.raises(ModelError, match=r"no data came for 0\.2 s; 0\.\d MB are kept; the same command continues"):
        get(server.url(), path, timeout_s=0.2)
    assert not path.exists()


def test_a_killed_process_leaves_a_part_that_is_continued(server: FileServer, path: Path) -> None:
    server.sent_bytes, server.stalls = CUT, True
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, server.url(), str(path), str(10**9)])
    until(lambda: kept(path) >= CUT - CHUNK_BYTES, lambda: f"only {kept(path)} bytes came")
    process.send_signal(signal.SIGKILL)
    process.wait()
    server.sent_bytes, server.stalls = None, False
    get(server.url(), path)
    assert path.read_bytes() == CONTENT
    assert re.fullmatch(r"bytes=[1-9]\d+-", server.asked[-1][1]["range"])


def test_a_full_disk_is_reported_and_the_download_continues_later(server: FileServer, path: Path) -> None:
    """A limit on the size of files stands in for the end of the disk: EFBIG instead of ENOSPC."""
    command = [sys.executable, "-c", SCRIPT, server.url(), str(path), str(CUT)]
    process = subprocess.run(command, capture_output=True, text=True)
    assert re.search(r"a\.pth\.part cannot be written: File too large; 0\.\d MB are kept", process.stderr)
    assert process.returncode == 1
    assert not path.exists()
    get(server.url(), path)
    assert path.read_bytes() == CONTENT
    assert server.asked[-1][1]["range"] == f"bytes={CUT}-"


def test_a_file_with_another_hash_is_deleted(server: FileServer, path: Path) -> None:
    expected, found = "0" * 64, hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(HashError, match=rf"expected {expected} but got {found}"):
        get(server.url(), path, expected)
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("states_length", [True, False])
def test_a_file_that_is_too_long_is_refused(states_length: bool, server: FileServer, path: Path) -> None:
    server.states_length = states_length
    with pytest.raises(ModelError, match=r"expected at most 0\.9 MB, got (1|0\.9\d+) MB or more"):
        get(server.url(), path, limit=900_000)
    assert os.listdir(path.parent) == []


def test_a_redirect_within_the_scheme_is_followed(server: FileServer, path: Path) -> None:
    server.redirect = server.url("/new")
    get(server.url("/old"), path)
    assert path.read_bytes() == CONTENT
    assert [asked for asked, _ in server.asked] == ["/old", "/new"]


@pytest.mark.parametrize("target", ["https://127.0.0.1/new", "ftp://127.0.0.1/new", "file:///etc/hostname"])
def test_a_redirect_to_another_scheme_is_refused(target: str, server: FileServer, path: Path) -> None:
    server.redirect = target
    scheme = target.partition(":")[0]
    with pytest.raises(ModelError, match=rf"/old: redirects from http to {scheme}, which is refused"):
        get(server.url("/old"), path)
    assert not path.exists()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl, which makes the certificate")
def test_a_redirect_to_an_open_connection_is_refused(
    server: FileServer, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    files = ["-keyout", key, "-out", certificate]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, *files], check=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    server.redirect = server.url("/new")
    server.encrypt(certificate, key)
    get(server.url("/there"), path.with_name("b.pth"))
    assert path.with_name("b.pth").read_bytes() == CONTENT
    with pytest.raises(ModelError, match=r"/old: redirects from https to http, which is refused"):
        get(server.url("/old"), path)


def test_the_proxy_of_the_environment_is_used(server: FileServer, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url(""))
    get("http://models.invalid/model_final.pth", path)
    assert path.read_bytes() == CONTENT
    assert server.asked[-1][0] == "http://models.invalid/model_final.pth"


def test_two_processes_do_not_write_the_same_file(server: FileServer, path: Path) -> None:
    path.parent.mkdir()
    with open(path.with_name("a.pth.part"), "wb") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        with pytest.raises(ModelError, match=r"a\.pth\.part is being written by another process"):
            get(server.url(), path)
    get(server.url(), path)
    assert path.read_bytes() == CONTENT
