from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bisenetformer_ros.data.custom import open_custom
from bisenetformer_ros.data.panoptic_labels import read_coco_json
from bisenetformer_ros.errors import BiSeNetFormerError, ConfigError, DataError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.text_files import read_json, read_text, read_yaml
from bisenetformer_ros.training.config import TrainingConfig

LATIN_1 = "name: x\nlabel: Stra\u00dfe\n".encode("latin-1")
READERS: tuple[Callable[[Path], Any], ...] = (
    read_yaml,
    read_json,
    LabelMap.load,
    lambda path: open_custom(path, None, ["val"]),
    lambda path: read_coco_json(path, ()),
    lambda path: TrainingConfig.load(str(path)),
)


@pytest.mark.parametrize("read", READERS)
def test_the_first_byte_that_is_not_utf8_is_reported(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(LATIN_1)
    with pytest.raises(
        BiSeNetFormerError, match=r"a\.yaml.*expected text in UTF-8, got the byte 0xdf at offset 19 \(line 2\); save"
    ):
        read(path)


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"name": "Stra\u00dfe"}', encoding="utf-8-sig")
    assert read_json(path) == read_yaml(path) == {"name": "Stra\u00dfe"}
    assert read_text(path).startswith("{")


@pytest.mark.parametrize("text", ["a: [", "d: 2024-13-01", "a\0b", "[" * 100_000], ids=["open", "date", "NUL", "deep"])
def test_invalid_yaml_is_a_config_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a\.yaml: "):
        read_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000], ids=["empty", "open", "deep"])
def test_invalid_json_is_a_data_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.json cannot be read: not valid JSON"):
        read_json(tmp_path / "a.json")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(DataError, match=r"none\.json cannot be read: No such file"):
        read_json(tmp_path / "none.json")
