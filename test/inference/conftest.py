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
    """Task → graph exported by the command for frames of SIZE, and the command's output."""
    options = {"panoptic": ["--precision", "fp32"], "semantic": ["--precision", "fp16", "--bgr", "--dynamic-batch"]}
    made = {}
    for task, arguments in options.items():
        path = tmp_path_factory.mktemp("graphs") / f"{task}.onnx"
        with contextlib.redirect_stdout(io.StringIO()) as said:
            size = "{}x{}".format(*SIZE)
            code = main(["export", str(small_weights), str(path), "--size", size, "--task", task, *arguments])
        assert code == 0, said.getvalue()
        made[task] = path, said.getvalue()
    return made


@pytest.fixture(scope="session", params=["panoptic", "semantic"])
def exported(request: pytest.FixtureRequest, exports: dict[str, tuple[Path, str]]) -> Path:
    """Each of the graphs in turn."""
    return exports[request.param][0]
