"""The shipped catalogue of models."""

import re

import pytest

from bisenetformer_ros.file_hash import sha256_of
from bisenetformer_ros.resources import catalog, config_file, share_dir
from bisenetformer_ros.tasks import TASKS

ENTRIES = catalog().values()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_is_complete(entry) -> None:
    assert entry.kind in ("network", "backbone")
    assert (entry.task in TASKS) == (entry.num_classes is not None) == (entry.kind == "network")
    assert entry.url is None or re.fullmatch(r"https://[\w.]+/[\w./-]+\.pth", entry.url)
    assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert entry.source.startswith("https://") or (share_dir() / entry.source).is_file()


def test_every_shipped_model_is_in_it_with_its_hash() -> None:
    shipped = {path.stem for path in (share_dir() / "config" / "models").glob("*.safetensors")}
    assert shipped == {entry.name for entry in ENTRIES if entry.url is None}
    for name in shipped:
        assert sha256_of(config_file("models", name, ".safetensors")) == catalog()[name].sha256


def test_the_hash_of_the_resnet_begins_as_its_file_name_says() -> None:
    entry = catalog()["resnet50-imagenet"]
    assert entry.url.endswith(f"resnet50-{entry.sha256[:8]}.pth")


def test_recipes_start_from_backbones_of_it() -> None:
    recipes = [path.read_text(encoding="utf-8") for path in (share_dir() / "config" / "train").glob("*-*-*.yaml")]
    named = {match[1] for recipe in recipes if (match := re.search(r"^initial_weights: (\w+-imagenet)$", recipe, re.M))}
    assert named == {"stdc1-imagenet", "stdc2-imagenet", "resnet50-imagenet"}
