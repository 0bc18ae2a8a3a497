import contextlib
import io
from pathlib import Path

import pytest
import torch

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.builders import build_model
from bisenetformer_ros.model.checkpoint import save_model
from bisenetformer_ros.resources import share_dir

SIZE = (96, 128)


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a network with a third of the blocks: all operators of a large one in less time."""
    torch.manual_seed(0)
    architecture = {"name": "bisenetformer-nano", "num_classes": 11, "num_blocks": 2}
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_model(path, build_model(**architecture), ModelMetadata("small", architecture, LabelMap.load("camvid11")))
    return path


@pytest.fixture(scope="session")
def exports(small_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    """Name → graph exported by the command for frames of SIZE, and the command's output."""
    streets = str(share_dir() / "config" / "verification" / "*.jpg")
    options = {
        "panoptic": ["--task", "panoptic", "--precision", "fp32"],
        "semantic": ["--task", "semantic", "--precision", "fp16", "--bgr", "--dynamic-batch"],
        "int8": ["--task", "semantic", "--precision", "int8", "--symmetric", "--calibrate", streets],
    }
    made = {}
    for name, arguments in options.items():
        path = tmp_path_factory.mktemp("graphs") / f"{name}.onnx"
        with contextlib.redirect_stdout(io.StringIO()) as said:
            size = "{}x{}".format(*SIZE)
            code = main(["export", str(small_weights), str(path), "--size", size, *arguments])
        assert code == 0, said.getvalue()
        made[name] = path, said.getvalue()
    return made


@pytest.fixture(scope="session", params=["panoptic", "semantic", "int8"])
def exported(request: pytest.FixtureRequest, exports: dict[str, tuple[Path, str]]) -> Path:
    """Each of the graphs in turn."""
    return exports[request.param][0]
