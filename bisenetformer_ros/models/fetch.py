"""Fetches a file over HTTP: whole or not at all. What came before an interruption is kept and continued."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import pooch
import requests

from bisenetformer_ros.errors import ModelError

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
CHUNK_BYTES = 1 << 16
_PARTIAL = (requests.codes.partial_content, requests.codes.requested_range_not_satisfiable)

Progress = Callable[[int, int | None], None]
"""Called with the bytes that have come and the bytes of the whole file, None if the server does not state them."""


class HashError(ModelError):
    """A file that came whole but is not the expected one."""


def fetch(
    url: str,
    path: Path,
    sha256: str | None,
    limit_bytes: float,
    on_progress: Progress,
    read_timeout_s: float = READ_TIMEOUT_S,
) -> None:
    """Fetch a file, through the proxies that the environment names; a file that is there already is only checked.

    Args:
        url: Address, http or https; a redirect to another scheme is refused.
        path: File to write. An unfinished one is `path` with the suffix `.part`.
        sha256: Expected hash, hexadecimal; None for any.
        limit_bytes: A longer file is refused.
        on_progress: Called with the first and every further chunk.
        read_timeout_s: Longest silence of the server.

    Raises:
        HashError: The file has another hash; it is deleted.
        ModelError: The server does not send the whole file. What came is kept, except for a file that is too long.
        OSError: The folder cannot be written.
    """
    pooch.get_logger().setLevel("WARNING")
    downloader = _Resuming(path.with_name(f"{path.name}.part"), limit_bytes, on_progress, read_timeout_s)
    try:
        pooch.retrieve(url, known_hash=sha256, fname=path.name, path=path.parent, downloader=downloader)
    except ValueError as error:
        raise HashError(f"{url}: {error}") from None


class _Resuming:
    """A downloader for pooch, whose own one starts over."""

    def __init__(self, part: Path, limit_bytes: float, on_progress: Progress, read_timeout_s: float) -> None:
        self.part = part
        self.version = part.with_name(f"{part.name}.version")  # of the published file, as the server names it
        self.limit_bytes = limit_bytes
        self.on_progress = on_progress
        self.read_timeout_s = read_timeout_s

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        try:
            with open(self.part, "ab") as part, _Session() as session:
                self._lock(part)
                self._receive(session, url, part)
                part.flush()
                os.replace(self.part, output_file)
        except requests.RequestException as error:
            raise ModelError(f"{url}: {self._describe(error)}; {self._advice()}") from None
        except OSError as error:
            raise ModelError(f"{self.part} cannot be written: {error.strerror}; {self._advice()}") from None
        self.version.unlink(missing_ok=True)

    def _lock(self, part: BinaryIO) -> None:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ModelError(f"{self.part} is being written by another process: wait until it has finished") from None

    def _receive(self, session: requests.Session, url: str, part: BinaryIO) -> None:
        done = part.tell()
        headers = {"Accept-Encoding": "identity"}
        if done and self.version.is_file():
            headers |= {"Range": f"bytes={done}-", "If-Range": self.version.read_text(encoding="utf-8")}
        timeout = (CONNECT_TIMEOUT_S, self.read_timeout_s)
        with session.get(url, headers=headers, stream=True, timeout=timeout) as response:
            continues = response.headers.get("Content-Range", "").startswith(f"bytes {done}-")
            if done and response.status_code in _PARTIAL and not continues:
                part.truncate(0)
                part.seek(0)
                self._receive(session, url, part)
                return
            response.raise_for_status()
            if not continues:
                part.truncate(0)
                done = 0
                self._keep_version(response)
            length = response.headers.get("Content-Length")
            total = done + int(length) if length else None
            self._check_length(url, total or 0)
            for chunk in response.iter_content(CHUNK_BYTES):
                done += len(chunk)
                self._check_length(url, done)
                part.write(chunk)
                self.on_progress(done, total)
        if total is not None and done < total:  # urllib3 1.26 does not say so
            raise requests.ConnectionError(f"the connection ended after {done} of {total} bytes")

    def _keep_version(self, response: requests.Response) -> None:
        """Without one the file is fetched from its start again, since it may have been replaced meanwhile."""
        tag = response.headers.get("ETag", "")
        version = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")
        self.version.unlink(missing_ok=True)
        if version:
            self.version.write_text(version, encoding="utf-8")

    def _check_length(self, url: str, length: int) -> None:
        if length > self.limit_bytes:
            for path in (self.part, self.version):
                path.unlink(missing_ok=True)
            raise ModelError(
                f"{url}: expected at most {self.limit_bytes / 1e6:g} MB, got {length / 1e6:g} MB or more, not the "
                "file of the catalogue; nothing was kept. Check the address in a browser"
            )

    def _describe(self, error: requests.RequestException) -> str:
        if error.response is not None:
            return f"expected the file, got the answer {error.response.status_code} {error.response.reason}"
        if "timed out" in str(error):
            return f"no data came for {self.read_timeout_s:g} s"
        return str(error)

    def _advice(self) -> str:
        kept = self.part.stat().st_size if self.part.is_file() else 0
        if not kept:
            return "try again later; HTTPS_PROXY names a proxy"
        return f"{kept / 1e6:.1f} MB are kept; the same command continues"


class _Session(requests.Session):
    def get_redirect_target(self, response: requests.Response) -> str | None:
        target = super().get_redirect_target(response)
        schemes = [urlsplit(url).scheme for url in (response.url, urljoin(response.url, target or ""))]
        if schemes[0] != schemes[1]:
            raise ModelError(
                f"{response.url}: redirects from {schemes[0]} to {schemes[1]}, which is refused; check the address in "
                "a browser"
            )
        return target
