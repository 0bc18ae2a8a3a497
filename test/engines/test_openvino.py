import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openvino", reason="OpenVINO is not installed")


def test_nothing_is_told_to_its_makers(tmp_path: Path) -> None:
    """Before it sends anything, OpenVINO's telemetry writes an id of this user to the home directory."""
    script = "from bisenetformer_ros.engines.openvino import load_openvino; load_openvino()"
    environment = os.environ | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], env={**environment, "CI": ""}, check=True)
    assert list(tmp_path.iterdir()) == []
