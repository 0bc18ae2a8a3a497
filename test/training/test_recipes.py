"""The shipped recipes of the paper's tables."""

import re

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.model import build_model
from bisenetformer_ros.resources import share_dir
from bisenetformer_ros.training.config import TrainingConfig

# Recipe, the paper's table and figure, its parameters in millions and its GMACs (None: the table does not say).
PAPER = [
    ("cityscapes-semantic-stdc1", "Table 1: mIoU 75.4", 13.1, 56),
    ("cityscapes-semantic-stdc2", "Table 1: mIoU 77.5", 17.1, 82),
    ("ade20k-semantic-stdc1", "Table 2: mIoU 42.1", 13.1, 8),
    ("ade20k-semantic-stdc2", "Table 2: mIoU 44.9", 17.2, 11),
    ("cityscapes-panoptic-stdc2", "Tables 3, 6 and 7: PQ 57.3", 17.1, 83),
    ("cityscapes-panoptic-r50", "Table 3: PQ 57.5", 31.7, 199),
    ("ade20k-panoptic-stdc2", "Table 4: PQ 30.8", 17.2, 17),
    ("ade20k-panoptic-r50", "Table 4: PQ 31.6", 31.6, 39),
    ("cityscapes-panoptic-stdc2-levels2-stages1", "Table 6: PQ 54.8", None, None),
    ("cityscapes-panoptic-stdc2-levels2-stages2", "Table 6: PQ 55.1", None, None),
    ("cityscapes-panoptic-stdc2-levels3-stages1", "Table 6: PQ 56.9", None, None),
    ("cityscapes-panoptic-stdc2-levels3-stages2", "Table 6: PQ 57.4", None, None),
    ("cityscapes-panoptic-stdc2-levels3-stages3", "Table 6: PQ 58.9", None, None),
    ("cityscapes-panoptic-stdc2-queries50", "Table 7: PQ 54.8", None, 80),
    ("cityscapes-panoptic-stdc2-queries200", "Table 7: PQ 58.0", None, 88),
]
RECIPES = share_dir() / "config" / "train"


def test_no_recipe_is_missing() -> None:
    shipped = {path.stem for path in RECIPES.glob("*.yaml")}
    assert {name for name in shipped if not name.startswith("camvid")} == {name for name, *_ in PAPER}


@pytest.mark.parametrize(("name", "where", "megaparameters", "gmacs"), PAPER, ids=[row[0] for row in PAPER])
def test_the_model_of_a_recipe_is_that_of_the_paper(
    name: str, where: str, megaparameters: float | None, gmacs: int | None
) -> None:
    config = TrainingConfig.load(name)
    assert (RECIPES / f"{name}.yaml").read_text(encoding="utf-8").startswith(f"# {where}\n")
    with torch.device("meta"):
        model = build_model(**config.architecture, num_classes=len(LabelMap.load(config.labels))).eval()
    if megaparameters is not None:
        found = sum(parameter.numel() for parameter in model.parameters()) / 1e6
        assert found == pytest.approx(megaparameters, abs=0.11)
    if gmacs is not None:
        size = config.crop_size if config.labels == "ade20k150" else (1024, 2048)
        with FlopCounterMode(display=False) as counter:
            features = model.extract(torch.empty(1, 3, *size, device="meta"))
            model.decoder.predict_all(features.levels, features.mask)
        assert counter.get_total_flops() / 2e9 == pytest.approx(gmacs, rel=0.03, abs=0.5)
    if match := re.search(r"levels(\d)-stages(\d)", name):
        levels, stages = (int(number) for number in match.groups())
        assert (len(model.decoder.level_projections), len(model.decoder.blocks)) == (levels, stages * levels)


@pytest.mark.parametrize("name", [row[0] for row in PAPER])
def test_a_recipe_has_the_settings_of_the_paper(name: str) -> None:
    """Section 4.1, and Mask2Former's recipes for what it leaves out."""
    config = TrainingConfig.load(name)
    dataset, task, backbone = name.split("-")[:3]
    assert config.task == task
    assert config.architecture["name"] == f"bisenetformer-{backbone}"
    assert config.iterations == {"cityscapes": 90_000, "ade20k": 160_000}[dataset]
    side = {"cityscapes": 1024, "ade20k": {"semantic": 512, "panoptic": 640}[task]}[dataset]
    assert config.crop_size == (side, side)
    scaled = None if dataset == "cityscapes" else side
    assert (config.shorter_side, config.input_size) == (scaled, scaled)
    assert (config.learning_rate, config.weight_decay, config.backbone_multiplier) == (3e-4, 0.05, 0.1)
    assert (config.batch_size, config.clip_norm, config.num_points, config.schedule) == (32, 0.01, 12544, "step")
    assert (config.milestones, config.warmup) == ((0.889, 0.963), 0)
    assert (config.scale_range, config.scale_sampling, config.precision) == ((0.5, 2.0), "uniform", "fp16")
    assert (config.max_class_share, config.color_strength, config.hue_shift, config.blur_range) == (1, 1, 36, (0, 0))
    assert (config.auxiliary_weight, config.ema_decay, config.balanced_share) == (0, 0, 0)
    assert config.weights_precision == "fp32"
    kind = "ade20k-panoptic" if (dataset, task) == ("ade20k", "panoptic") else dataset
    assert config.sources == ({"kind": kind, "splits": ["train"]},)
    assert config.validation == {"kind": kind, "splits": ["val"]}
    assert config.initial_weights == f"{'resnet50' if backbone == 'r50' else backbone}-imagenet"


@pytest.mark.parametrize("name", ["camvid-nano", "camvid-nano-scratch"])
def test_the_nano_keeps_the_settings_with_which_it_was_trained(name: str) -> None:
    """In its own recipe, whatever the defaults are."""
    content = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    config = TrainingConfig.load(name)
    kept = {"warmup": 0.02, "scale_sampling": "log_uniform", "max_class_share": 0.75, "hue_shift": 18.0}
    for key, value in kept.items():
        assert f"\n{key}: " in content
        assert getattr(config, key) == value
    assert (config.color_strength, config.blur_range) == (1.0, (0.0, 0.0))


@pytest.mark.parametrize("name", ["camvid-nano", "camvid-nano-scratch", "camvid-nano-long"])
def test_the_nano_trains_on_no_frame_on_which_it_is_evaluated(name: str) -> None:
    sources = TrainingConfig.load(name).sources
    assert {source["kind"] for source in sources} == {"camvid", "synthetic"}
    assert all(source["splits"] == ["train", "val"] for source in sources if source["kind"] == "camvid")
    assert all(source["first_seed"] >= 10000 for source in sources if source["kind"] == "synthetic")


def test_names_of_weights_are_unique() -> None:
    names = [TrainingConfig.load(name).name for name, *_ in PAPER]
    assert len(set(names)) == len(names)
