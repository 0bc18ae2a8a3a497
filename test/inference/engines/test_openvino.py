import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_graph import write_graph

pytest.importorskip("openvino", reason="OpenVINO is not installed")


def test_importing_it_sends_no_telemetry(tmp_path: Path) -> None:
    """OpenVINO's telemetry writes a user id to the home directory before it sends anything."""
    script = "from bisenetformer_ros.inference.engines.openvino import load_openvino; load_openvino()"
    environment = os.environ | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], env={**environment, "CI": ""}, check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_signal_after_another_thread_has_freed_the_engine_does_not_crash(tmp_path: Path) -> None:
    """OpenVINO gives the thread that loads it a signal stack, which another thread may free."""
    graph = write_graph(tmp_path / "red.onnx", "fp32", dynamic_batch=False, task="semantic")
    script = (
        "import os, signal, sys, threading\n"
        "from bisenetformer_ros.inference.engines.opening import open_engine\n"
        "engines = [open_engine(sys.argv[1], 'semantic', 'openvino')]\n"
        "thread = threading.Thread(target=engines.clear)\n"
        "thread.start(), thread.join()\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('alive'))\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    process = subprocess.run([sys.executable, "-c", script, graph], stdout=subprocess.PIPE, text=True, check=True)
    assert process.stdout == "alive\n"
