from pathlib import Path

import pytest

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.training.config import TrainingConfig
from bisenetformer_ros.training.recipe_file import read_recipe


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_overrides_its_base_and_that_its_own(tmp_path: Path) -> None:
    """Paths are relative to the file that names them; a key replaces the whole value of the base."""
    write(tmp_path / "bases" / "first.yaml", "seed: 1\nname: first\nlabels: first\narchitecture: {name: a, dim: 8}\n")
    write(tmp_path / "bases" / "second.yaml", "base: first.yaml\nname: second\nlabels: second\n")
    path = write(tmp_path / "own.yaml", "base: bases/second.yaml\nname: own\narchitecture: {name: b}\n")
    entries = read_recipe(path)
    assert {key: (entry.value, entry.path.name) for key, entry in entries.items()} == {
        "seed": (1, "first.yaml"),
        "labels": ("second", "second.yaml"),
        "name": ("own", "own.yaml"),
        "architecture": ({"name": "b"}, "own.yaml"),
    }


def test_a_shipped_recipe_can_be_the_base(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml", "base: cityscapes-panoptic-stdc2\nname: mine\niterations: 100\n")
    mine, shipped = TrainingConfig.load(str(path)), TrainingConfig.load("cityscapes-panoptic-stdc2")
    assert (mine.name, mine.iterations) == ("mine", 100)
    assert (mine.architecture, mine.crop_size, mine.precision) == (
        shipped.architecture,
        shipped.crop_size,
        shipped.precision,
    )


def test_every_problem_is_reported_with_its_file(tmp_path: Path) -> None:
    base = write(tmp_path / "base.yaml", "learning_rate: fast\nepochs: 3\nseed: -1\n")
    own = write(tmp_path / "own.yaml", "base: base.yaml\nseed: 2\nbatch_size: 1\n")
    with pytest.raises(ConfigError) as caught:
        TrainingConfig.load(str(own))
    told = dict(line.split(": ", 1) for line in str(caught.value).splitlines())
    assert list(told) == [str(base), str(own)]
    assert told[str(base)].startswith("unknown key 'epochs'; learning_rate is 'fast', expected")
    assert "missing key 'architecture'" in told[str(own)]
    assert "batch_size is 1" in told[str(own)]
    assert "seed" not in str(caught.value)  # overridden


def test_recipes_that_extend_each_other_are_rejected(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "base: b.yaml\n")
    write(tmp_path / "b.yaml", "base: c.yaml\n")
    path = write(tmp_path / "c.yaml", "base: ./b.yaml\n")
    with pytest.raises(ConfigError, match=r"extend each other: \S*b.yaml → \S*c.yaml → \S*b.yaml$"):
        read_recipe(tmp_path / "a.yaml")
    path.write_text("base: c.yaml\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"extend each other: \S*c.yaml → \S*c.yaml$"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("nowhere.yaml", r"own.yaml: base: training recipe 'nowhere.yaml' is neither a file nor one of the shipped"),
        ("3", "own.yaml: base is 3, expected a file or the name of a shipped recipe"),
        ("broken.yaml", r"broken.yaml: not valid YAML"),
        ("list.yaml", r"list.yaml: expected a mapping of settings, got list"),
    ],
)
def test_an_invalid_base_is_reported(tmp_path: Path, base: str, message: str) -> None:
    write(tmp_path / "broken.yaml", "a: [")
    write(tmp_path / "list.yaml", "- a")
    with pytest.raises(ConfigError, match=message):
        read_recipe(write(tmp_path / "own.yaml", f"base: {base}\n"))
