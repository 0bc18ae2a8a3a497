import os
import signal
from pathlib import Path

# Read by OpenMP when torch is imported, here and in the processes that tests start: a thread that waits for another one
# gives its core away. On a busy machine, spinning takes several times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of the nano network as it is before any training; the same in every session."""
    import torch  # here: `colcon test` runs where PyTorch is not installed

    from bisenetformer_ros.labels import LabelMap
    from bisenetformer_ros.metadata import ModelMetadata
    from bisenetformer_ros.model.builders import build_model
    from bisenetformer_ros.model.checkpoint import save_model

    torch.manual_seed(0)
    architecture = {"name": "bisenetformer-nano", "num_classes": 11}
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_model(path, build_model(**architecture), ModelMetadata("random", architecture, LabelMap.load("camvid11")))
    return path


def pytest_configure() -> None:
    """A shell that runs the tests in its background ignores Ctrl-C for them and for the processes they interrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
