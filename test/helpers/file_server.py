"""A web server with one file, as good or as bad as a test wants it."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from patience import LIMIT_S


class FileServer(ThreadingHTTPServer):
    """Serves `content` under every path, ranges of it too.

    Attributes:
        files: Content for single paths; None: there is no such file.
        version: Entity tag of the content, None for none.
        sent_bytes: The connection ends after these, whatever length was stated.
        stalls: Whether it stays open then, silent, until `released` is set.
        states_length: Whether the length of the content is stated.
        redirect: Address to go to, for the path /old.
        asked: Path and headers of every request.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scheme = "http"
        self.content = b""
        self.files: dict[str, bytes | None] = {}
        self.version: str | None = '"1"'
        self.sent_bytes: int | None = None
        self.stalls = False
        self.released = threading.Event()
        self.states_length = True
        self.redirect = ""
        self.asked: list[tuple[str, dict[str, str]]] = []

    def url(self, path: str = "/model_final.pth") -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}{path}"

    def encrypt(self, certificate: Path, key: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"


@contextmanager
def file_server() -> Iterator[FileServer]:
    server = FileServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        server = self.server
        server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        content = server.files.get(self.path, server.content)
        if self.path == "/old":
            self.send_response(302)
            self.send_header("Location", server.redirect)
            self.end_headers()
            return
        if content is None:
            self.send_error(404)
            return
        start = self._start()
        if start >= len(content) > 0:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if server.version is not None:
            self.send_header("ETag", server.version)
        if server.states_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: server.sent_bytes])
        if server.stalls:
            self.wfile.flush()
            server.released.wait(LIMIT_S)

    def _start(self) -> int:
        """The first byte that is asked for, or that of the whole file if the asker knows another version."""
        if "Range" not in self.headers or self.headers.get("If-Range", self.server.version) != self.server.version:
            return 0
        return int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))

    def log_message(self, format: str, *args: object) -> None:
        pass
