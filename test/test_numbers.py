import json
import math

from bisenetformer_ros.numbers import counted, percent, without_nan


def test_percent() -> None:
    assert [percent(share) for share in (0.12345, 1.0, 0.0, math.nan)] == ["12.3", "100.0", "0.0", "-"]


def test_nan_becomes_null_at_any_depth() -> None:
    content = {"a": math.nan, "b": [1, (math.nan, "nan")], "c": {"d": 0.5}}
    assert json.dumps(without_nan(content), allow_nan=False) == '{"a": null, "b": [1, [null, "nan"]], "c": {"d": 0.5}}'


def test_counted() -> None:
    assert [counted(number, "image") for number in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
