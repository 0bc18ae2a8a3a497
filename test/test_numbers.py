import json
import math
from typing import Any

import numpy as np
import pytest

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.numbers import counted, fraction, percent, without_nan


@pytest.mark.parametrize("value", [0, 1, 0.25, "0.25", np.float32(0.25), np.array(1)])
def test_a_fraction(value: Any) -> None:
    assert fraction(value) == float(value)
    assert type(fraction(value)) is float


@pytest.mark.parametrize("value", [5, -0.1, math.nan, "nan", "half", None, [0.5, 0.5], 1 + 1j])
def test_no_fraction(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"expected a number of 0\.\.1, got "):
        fraction(value)


def test_percent() -> None:
    assert [percent(share) for share in (0.12345, 1.0, 0.0, math.nan)] == ["12.3", "100.0", "0.0", "-"]


def test_nan_becomes_null_at_any_depth() -> None:
    content = {"a": math.nan, "b": [1, (math.nan, "nan")], "c": {"d": 0.5}}
    assert json.dumps(without_nan(content), allow_nan=False) == '{"a": null, "b": [1, [null, "nan"]], "c": {"d": 0.5}}'


def test_counted() -> None:
    assert [counted(number, "image") for number in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
