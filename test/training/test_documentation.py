"""docs/training.md against the code that it describes."""

import re
from dataclasses import MISSING, fields
from pathlib import Path

import yaml

from bisenetformer_ros.training.config import TrainingConfig

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")


def rows(header: str) -> list[list[str]]:
    """The cells of the table whose first line starts with `header`."""
    table = PAGE[PAGE.index(header) :].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_every_key_is_explained_with_its_default() -> None:
    documented = {cells[0].strip("`"): cells[1].strip("`") for cells in rows("| key |")}
    assert list(documented) == [item.name for item in fields(TrainingConfig)]
    for item in fields(TrainingConfig):
        if item.default is MISSING:
            assert documented[item.name] == "required"
        elif item.default is None:
            assert documented[item.name] == "none"
        else:
            default = list(item.default) if isinstance(item.default, tuple) else item.default
            assert yaml.safe_load(documented[item.name]) == default


def test_fine_tuning_names_existing_keys() -> None:
    page = (ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")
    table = page[page.index("| key | why |") :].split("\n\n")[0]
    keys = {key for row in table.splitlines()[2:] for key in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert len(keys) > 10
    assert keys <= {item.name for item in fields(TrainingConfig)}


def test_every_recipe_of_the_paper_is_listed() -> None:
    """With the crop and the iterations that it has."""
    for name, _, _, crop, iterations, _ in rows("| recipe |"):
        config = TrainingConfig.load(name.strip("`"))
        assert crop.split("\N{MULTIPLICATION SIGN}") == [str(side) for side in config.crop_size]
        assert iterations == f"{config.iterations // 1000}k"
    listed = {cells[0].strip("`") for cells in rows("| recipe |")}
    shipped = {path.stem for path in (ROOT / "config" / "train").glob("*.yaml")}
    assert listed == {name for name in shipped if not name.startswith("camvid")}
