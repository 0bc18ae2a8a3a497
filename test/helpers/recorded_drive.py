"""Fixtures: a recorded drive of a few small frames, with labels."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.bags.recorder import BagFormat, DriveRecorder
from bisenetformer_ros.labels import LabelMap

FRAMES = 6
SIZE = (64, 96)
PERIOD_NS = 100_000_000


@pytest.fixture(scope="session")
def frames() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Picture, labels and instances: patches of noise, labels of all classes, some ignored, four instances."""
    rng = np.random.default_rng(0)
    instances = np.kron(np.array([[1, 2], [3, 4]], np.uint16), np.ones((32, 48), np.uint16))
    made = []
    for _ in range(FRAMES):
        rgb = cv2.resize(rng.integers(0, 256, (4, 6, 3), np.uint8), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
        labels = np.kron(rng.integers(0, 12, (4, 6), np.uint8), np.ones((16, 16), np.uint8))
        made.append((rgb, np.where(labels == 11, 255, labels).astype(np.uint8), instances))
    return made


@pytest.fixture(scope="session")
def drive(frames, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag of `frames`, 10 Hz, stamps from 1 s on; the third one has no labels."""
    path = tmp_path_factory.mktemp("bags") / "drive"
    with DriveRecorder(path, BagFormat(), LabelMap.load("camvid11"), has_instances=True) as recorder:
        for number, (rgb, labels, instances) in enumerate(frames):
            truth = (labels, instances) if number != 2 else (None, None)
            recorder.add(1_000_000_000 + number * PERIOD_NS, rgb, *truth)
    return path
