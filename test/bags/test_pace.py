import argparse

import pytest

from bisenetformer_ros.bags.pace import pace


def test_a_rate_is_a_factor_or_lockstep() -> None:
    assert [pace(text) for text in ("1.0", "0.5", "2", "lockstep")] == [1.0, 0.5, 2.0, "lockstep"]


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan", "fast", ""])
def test_other_rates_are_rejected(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=rf"expected lockstep or a factor above 0, got {text}$"):
        pace(text)
