import argparse
from pathlib import Path

import pytest
import torch
import yaml

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.cli.arguments import input_size
from bisenetformer_ros.model import load_model
from bisenetformer_ros.model.checkpoint import load_checkpoint


def convert(*arguments: object) -> int:
    return main(["convert", *map(str, arguments)])


def yard_labels(path: Path, num_labels: int) -> Path:
    labels = [{"name": f"thing {i}", "is_thing": True, "color": [i, i, i]} for i in range(num_labels)]
    path.write_text(yaml.safe_dump({"labels": labels}), encoding="utf-8")
    return path


def test_metadata_changes_and_weights_do_not(
    random_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, out = yard_labels(tmp_path / "yard.yaml", 11), tmp_path / "yard.safetensors"
    options = ("--labels", labels, "--name", "yard", "--input-size", "360x480", "--task", "semantic")
    assert convert(random_weights, out, *options) == 0
    before, after = load_checkpoint(random_weights), load_checkpoint(out)
    for name, tensor in before[0].state_dict().items():
        assert torch.equal(after[0].state_dict()[name], tensor), name
    assert (after[1].name, after[1].labels.name, after[1].input_size) == ("yard", "yard", (360, 480))
    assert (before[1].task, after[1].task) == ("panoptic", "semantic")
    assert after[1].architecture == before[1].architecture
    said = capsys.readouterr().out
    for expected in ("bisenetformer-nano", "num_classes 11", "2.89 M", "11 (yard)", "semantic", "(360, 480)", str(out)):
        assert expected in said


def test_without_options_the_metadata_stays(random_weights: Path, tmp_path: Path) -> None:
    assert convert(random_weights, tmp_path / "same.safetensors") == 0
    assert load_checkpoint(tmp_path / "same.safetensors")[1] == load_checkpoint(random_weights)[1]


def test_half_precision_halves_the_file(random_weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "half.safetensors"
    assert convert(random_weights, out, "--precision", "fp16") == 0
    assert out.stat().st_size < 0.52 * random_weights.stat().st_size
    weight = load_model(random_weights).decoder.query_feat.weight
    assert torch.equal(load_model(out).decoder.query_feat.weight, weight.half().float())


def test_other_shipped_labels_by_name(random_weights: Path, tmp_path: Path) -> None:
    assert convert(random_weights, tmp_path / "a.safetensors", "--labels", "camvid11") == 0
    assert load_checkpoint(tmp_path / "a.safetensors")[1].labels.name == "camvid11"


def test_files_that_cannot_be_converted_are_reported(
    random_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone, training = tmp_path / "stdc.pth", tmp_path / "checkpoint.pt"
    torch.save({"features.0.conv.weight": torch.ones(32, 3, 3, 3)}, backbone)
    torch.save({"iteration": 3, "trained": {}}, training)
    out = tmp_path / "a.safetensors"
    ten_labels = yard_labels(tmp_path / "ten.yaml", 10)
    for arguments, message in (
        ((backbone, out), "an ImageNet backbone, which can initialize"),
        ((training, out), "the weights of a training run are in the .safetensors next to its checkpoint"),
        ((tmp_path / "none.pth", out), "none.pth' is neither a file nor one of the shipped models"),
        ((random_weights, out, "--labels", ten_labels), "the network has 11 classes, the label map"),
        ((random_weights, out, "--labels", "moon"), "'moon' is neither a file nor one of the shipped labels"),
        ((random_weights, tmp_path / "a.pth"), "expected a .safetensors file in an existing folder"),
        ((random_weights, tmp_path / "none" / "a.safetensors"), "in an existing folder"),
    ):
        assert convert(*arguments) == 2
        assert message in capsys.readouterr().err
        assert not out.exists()


@pytest.mark.parametrize(("text", "size"), [("640", 640), ("360x480", (360, 480)), ("360X480", (360, 480))])
def test_input_sizes(text: str, size: int | tuple[int, int]) -> None:
    assert input_size(text) == size


@pytest.mark.parametrize("text", ["0", "a", "1x2x3", "640x", "-3", "3.5", ""])
def test_wrong_input_sizes(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected N or HxW"):
        input_size(text)
