import pytest

from bisenetformer_ros.benchmark.statistics import speedup, spread


def test_quartiles_of_numbers_in_any_order() -> None:
    found = spread([9.0, 1.0, 5.0, 3.0, 7.0])
    assert (found.lower, found.median, found.upper, found.count) == (3.0, 5.0, 7.0, 5)


def test_quartiles_lie_between_measurements() -> None:
    found = spread([0.0, 10.0])
    assert (found.lower, found.median, found.upper) == (2.5, 5.0, 7.5)


def test_one_measurement_has_no_spread() -> None:
    assert spread([4.0]).to_dict() == {"lower": 4.0, "median": 4.0, "upper": 4.0, "count": 1}


def test_an_outlier_moves_the_median_little() -> None:
    assert spread([10.0, 11.0, 12.0, 13.0, 1000.0]).median == 12.0


def test_a_speedup_is_taken_round_by_round() -> None:
    """In the second round the machine was three times as slow, for both."""
    found = speedup([100.0, 300.0, 100.0], [50.0, 150.0, 25.0])
    assert (found.lower, found.median, found.upper) == (2.0, 2.0, 3.0)


def test_a_round_without_its_partner_is_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        speedup([1.0, 2.0], [1.0])
