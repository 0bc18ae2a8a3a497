"""A camera that streams JPEGs over HTTP for as long as somebody watches, as IP cameras do."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import cv2
import numpy as np

PERIOD_S = 0.02


@contextmanager
def live_stream(height: int, width: int) -> Iterator[str]:
    """Yield the address."""
    images = np.random.default_rng(0).integers(0, 256, (8, height, width, 3), np.uint8)
    files = [cv2.imencode(".jpg", image)[1].tobytes() for image in images]

    class Camera(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            number = 0
            try:
                while True:
                    file = files[number % len(files)]
                    head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(file)}\r\n\r\n"
                    self.wfile.write(head.encode() + file + b"\r\n")
                    number += 1
                    time.sleep(PERIOD_S)
            except OSError:  # nobody watches any more
                pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Camera) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/live.mjpg"
        server.shutdown()
