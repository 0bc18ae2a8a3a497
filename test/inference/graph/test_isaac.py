"""docs/isaac.md: the change that makes a graph take the float32 tensors of Isaac ROS."""

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from documents import blocks

from bisenetformer_ros.inference.verification_frames import load_verification_frames


def test_a_graph_for_float32_frames_gives_the_same_labels(
    exports: dict[str, tuple[Path, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(exports["semantic"][0], "nano.onnx")
    (script,) = blocks("docs/isaac.md", "python")
    exec(script, {})
    frames = np.stack(load_verification_frames((96, 128)))
    results = [
        onnxruntime.InferenceSession(name).run(["label_map", "confidence"], {"frames": frames.astype(kind)})
        for name, kind in (("nano.onnx", np.uint8), ("nano-float.onnx", np.float32))
    ]
    for found, expected in zip(*results, strict=True):
        assert (found.dtype, found.shape) == (np.uint8, (4, 96, 128))
        np.testing.assert_array_equal(found, expected)
