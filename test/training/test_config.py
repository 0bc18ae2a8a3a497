from pathlib import Path
from typing import Any

import pytest
import yaml

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.training.config import TrainingConfig

LEAST = {
    "name": "yard",
    "architecture": {"name": "bisenetformer-nano"},
    "labels": "camvid11",
    "sources": [{"kind": "camvid", "splits": ["train"]}],
    "iterations": 100,
    "crop_size": [288, 384],
}


def write(directory: Path, **changes: Any) -> str:
    path = directory / "yard.yaml"
    path.write_text(yaml.safe_dump({**LEAST, **changes}), encoding="utf-8")
    return str(path)


def test_the_defaults_are_the_papers_recipe(tmp_path: Path) -> None:
    config = TrainingConfig.load(write(tmp_path))
    assert config.crop_size == (288, 384)
    assert config.sources == ({"kind": "camvid", "splits": ["train"]},)
    assert (config.learning_rate, config.weight_decay, config.backbone_multiplier) == (3e-4, 0.05, 0.1)
    assert (config.batch_size, config.clip_norm, config.num_points, config.schedule) == (32, 0.01, 12544, "step")
    assert (config.auxiliary_weight, config.ema_decay, config.scale_range) == (0.0, 0.0, (0.5, 2.0))


def test_the_shipped_recipe_loads() -> None:
    assert TrainingConfig.load("camvid-nano").architecture == {"name": "bisenetformer-nano"}


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    wrong = {
        "learning_rate": "3e-4",
        "weight_decay": -1,
        "batch_size": 1,
        "accumulate": 0,
        "checkpoint_backbone": 1,
        "cudnn_benchmark": "on",
        "precision": "fp64",
        "crop_size": [300, 384],
        "scale_range": [2.0, 0.5],
        "schedule": "exponential",
        "milestones": [0.9, 0.5],
        "warmup": 2000,
        "scale_sampling": "normal",
        "max_class_share": 0,
        "color_strength": 2.5,
        "hue_shift": -1,
        "blur_range": [-1.0, 2.0],
        "task": "instance",
        "architecture": "bisenetformer-nano",
        "sources": [{"kind": "camvid", "weight": 0}],
        "ema_decay": 1.0,
        "weights_precision": "bf16",
        "iterations": True,
        "input_size": "640",
        "seed": -1,
        "labels": 11,
        "strict": "no",
        "epochs": 3,
    }
    path = write(tmp_path, **wrong)
    content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    del content["name"]
    Path(path).write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        TrainingConfig.load(path)
    problems = str(caught.value).removeprefix(f"{path}: ").split("; ")
    assert sorted(problem.split(" is ")[0] for problem in problems) == sorted(
        ["unknown key 'epochs'", "missing key 'name'", *(key for key in wrong if key != "epochs")]
    )
    assert "learning_rate is '3e-4', expected a number above 0 (YAML needs a dot: 3.0e-4)" in problems


@pytest.mark.parametrize("extra", [{"num_classes": 3}, {"pixel_mean": [0.0, 0.0, 0.0]}])
def test_keys_set_by_labels_and_metadata_are_rejected_in_the_architecture(
    tmp_path: Path, extra: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=r"architecture is .*, expected a mapping with the model's 'name'"):
        TrainingConfig.load(write(tmp_path, architecture={"name": "bisenetformer-nano", **extra}))


def test_a_missing_recipe_is_reported_with_the_shipped_ones() -> None:
    with pytest.raises(ConfigError, match=r"'nano' is neither a file nor one of the shipped train: .*camvid-nano"):
        TrainingConfig.load("nano")


@pytest.mark.parametrize(
    ("text", "message"), [("a: [", "not valid YAML"), ("- a", "expected a mapping of settings, got list")]
)
def test_a_file_that_is_not_a_recipe_is_reported(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        TrainingConfig.load(str(tmp_path / "a.yaml"))
