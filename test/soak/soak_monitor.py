"""Monitors the node and its masks: `python -m soak_monitor PID CAMERA…`, until it is interrupted.

Emits a `sample` once a second: ages of the masks on arrival (ms), processing times of the frames (ms), counts of the
diagnostics, and memory (MB), threads and open files of the process.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import rclpy
from bisenetformer_ros.msg import Latency
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from bisenetformer_ros.ros.replay.event_stream import emit, nanoseconds

QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
BUSY = ("decode_ms", "preprocess_ms", "inference_ms", "postprocess_ms", "publish_ms")
COUNTED = ("total_", "dropped.", "num_")


class Monitor(Node):
    def __init__(self, pid: int, cameras: list[str]) -> None:
        super().__init__("monitor")
        self._process = Path("/proc", str(pid))
        self._ages: list[float] = []
        self._busy: list[float] = []
        self._counts: dict[str, dict[str, float]] = {}
        for camera in cameras:
            self.create_subscription(Image, f"/bisenetformer/{camera}/mask", self._on_mask, QOS)
            self.create_subscription(Latency, f"/bisenetformer/{camera}/latency", self._on_latency, QOS)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, QOS)
        self.create_timer(1.0, self.sample)

    def sample(self) -> None:
        pages = int((self._process / "statm").read_text().split()[1])
        emit(
            "sample",
            time=time.monotonic(),
            ages=self._ages,
            busy=self._busy,
            counts=self._counts,
            resident_mb=pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
            threads=len(os.listdir(self._process / "task")),
            files=len(os.listdir(self._process / "fd")),
        )
        self._ages, self._busy = [], []

    def _on_mask(self, message: Image) -> None:
        self._ages.append(1e-6 * (time.time_ns() - nanoseconds(message.header.stamp)))

    def _on_latency(self, message: Latency) -> None:
        self._busy.append(sum(getattr(message, stage) for stage in BUSY))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values: dict[str, Any] = {v.key: float(v.value) for v in status.values if v.key.startswith(COUNTED)}
            if "total_received_frames" in values:
                self._counts[status.name.partition(": ")[2]] = values


def main() -> None:
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    monitor = Monitor(int(sys.argv[1]), sys.argv[2:])
    try:
        rclpy.spin(monitor)
    except KeyboardInterrupt:
        monitor.sample()


if __name__ == "__main__":
    main()
