import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.builders import build_model
from bisenetformer_ros.model.checkpoint import save_model

WITH_NODES = ("test/ros/", "test/cli/test_demo.py", "test/cli/test_evaluate_bag.py")


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of the nano network as it is before any training; the same in every session."""
    torch.manual_seed(0)
    architecture = {"name": "bisenetformer-nano", "num_classes": 11}
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_model(path, build_model(**architecture), ModelMetadata("random", architecture, LabelMap.load("camvid11")))
    return path


def pytest_configure() -> None:
    """A shell that runs the tests in its background ignores Ctrl-C for them and for the processes they interrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several processes: the tests of a file stay together, and those that start nodes run one after another.

    Each of these has a camera and a node beside it already; more of them at once would be a load of its own.
    """
    from xdist.scheduler import LoadScopeScheduling

    class OneGraphAtATime(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "ROS" if file.startswith(WITH_NODES) else file

    return OneGraphAtATime(config, log)
