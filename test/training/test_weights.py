from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.model.checkpoint import load_checkpoint
from bisenetformer_ros.training.weights import WeightsWriter


def test_the_file_records_its_provenance(short_run: ModuleType, tmp_path: Path) -> None:
    config = short_run.config(input_size=360, initial_weights="start.safetensors")
    model = short_run.learner().model
    writer = WeightsWriter(config, LabelMap.load("camvid11"))
    writer.write(tmp_path / "a.safetensors", model, 4, {"hours": 1.5})
    loaded, metadata = load_checkpoint(tmp_path / "a.safetensors")
    assert torch.equal(loaded.decoder.query_feat.weight, model.decoder.query_feat.weight.half().float())
    assert (metadata.name, metadata.input_size, metadata.labels.name) == ("short", 360, "camvid11")
    assert metadata.architecture == {**short_run.ARCHITECTURE, "num_classes": 11}
    told = metadata.provenance
    assert (told["recipe"], told["iterations"], told["batch_size"], told["hours"]) == ("short", 4, 2, 1.5)
    assert (told["sources"], told["initial_weights"]) == ([{"kind": "squares"}], "start.safetensors")
    assert {"commit", "torch"} <= told.keys()
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", torch.float16), ("fp32", torch.float32)])
def test_weights_have_the_precision_of_the_recipe(
    short_run: ModuleType, tmp_path: Path, precision: str, dtype: torch.dtype
) -> None:
    path = tmp_path / "a.safetensors"
    model = short_run.learner().model
    WeightsWriter(short_run.config(weights_precision=precision), LabelMap.load("camvid11")).write(path, model, 4, {})
    loaded, metadata = load_checkpoint(path)
    assert metadata.provenance["weights_precision"] == precision
    parameters = dict(model.named_parameters())
    assert {tensor.dtype for name, tensor in load_file(path).items() if name in parameters} == {dtype}
    for name, tensor in loaded.named_parameters():
        assert torch.equal(tensor, parameters[name].to(dtype).float())
