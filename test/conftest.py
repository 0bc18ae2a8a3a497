import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Read by OpenMP when torch is imported, here and in the processes that tests start: a thread that waits for another one
# gives its core away. On a busy machine, spinning takes several times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# What the user's runs have measured decides nothing here, and what tests measure is not kept for the user.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="bisenetformer-tests-")

import pytest


@pytest.fixture(autouse=True)
def _the_environment_stays() -> Iterator[None]:
    """What a test leaves in the environment would change later tests: ROS, for one, reads much of it."""
    before = dict(os.environ)
    yield
    by_pytorch = {"TORCHINDUCTOR_CACHE_DIR", "CUDA_MODULE_LOADING"}
    by_libraries = {"PYTEST_CURRENT_TEST", "LD_LIBRARY_PATH", *by_pytorch}  # LD_LIBRARY_PATH by OpenCV
    changed = {name for name, _ in before.items() ^ os.environ.items()} - by_libraries
    assert not changed, f"environment variables that the test has left changed: {', '.join(sorted(changed))}"


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


@pytest.fixture(scope="session")
def semantic_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of a small network that counts as trained for the semantic task."""
    import torch

    from bisenetformer_ros.labels import LabelMap
    from bisenetformer_ros.metadata import ModelMetadata
    from bisenetformer_ros.model.builders import build_model
    from bisenetformer_ros.model.checkpoint import save_model

    torch.manual_seed(0)
    widths = {"channels": 16, "dim": 32, "num_heads": 4, "feedforward_dim": 48, "num_queries": 9, "num_blocks": 2}
    architecture = {"name": "bisenetformer-nano", "num_classes": 11, **widths}
    metadata = ModelMetadata("meadow", architecture, LabelMap.load("camvid11"), task="semantic")
    path = tmp_path_factory.mktemp("weights") / "meadow.safetensors"
    save_model(path, build_model(**architecture), metadata)
    return path


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)


def pytest_configure() -> None:
    """A shell that runs the tests in its background ignores Ctrl-C for them and for the processes they interrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
