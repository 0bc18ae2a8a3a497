from typing import Any

import pytest
import torch

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.model import build_model


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "bisenetformer-stdc3"}, "unknown model 'bisenetformer-stdc3', expected one of: bisenetformer-stdc1"),
        ({"num_layers": 6}, "num_layers"),
        ({"num_classes": 0}, "num_classes is 0"),
        ({"num_queries": 0}, "num_queries is 0"),
        ({"num_queries": "50"}, r"expected whole numbers of at least 1: num_queries is '50' \(str\)"),
        ({"num_levels": "2", "dim": 64.0}, r"dim is 64\.0 \(float\), num_levels is '2' \(str\)"),
        ({"num_heads": True}, r"num_heads is True \(bool\)"),
        ({"num_levels": 4}, "num_levels is 4, expected 2"),
        ({"num_blocks": 1}, r"num_blocks is 1, expected at least num_levels \(2\)"),
        ({"dim": 130}, r"dim is 130, expected a multiple of 4 and of num_heads \(8\)"),
        ({"dim": 36, "num_heads": 6}, None),
    ],
)
def test_invalid_options_are_rejected(arguments: dict[str, Any], message: str | None) -> None:
    options = {"name": "bisenetformer-nano", "num_classes": 3, **arguments}
    if message is None:
        assert build_model(**options).decoder.query_feat.weight.shape == (50, 36)
    else:
        with pytest.raises(ConfigError, match=message):
            build_model(**options)


def test_the_same_seed_gives_the_same_network() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(7)
        states.append(build_model("bisenetformer-nano", 3, num_blocks=2).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
