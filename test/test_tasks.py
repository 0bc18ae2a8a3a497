import pytest

from bisenetformer_ros.tasks import task_warning


def test_panoptic_results_of_a_semantic_network_are_warned_of() -> None:
    warning = task_warning("panoptic", trained_for="semantic")
    assert "trained for the semantic task" in warning
    assert "set task to auto or semantic" in warning


@pytest.mark.parametrize("trained_for", ["semantic", "panoptic"])
def test_other_combinations_are_fine(trained_for: str) -> None:
    assert task_warning("semantic", trained_for) == task_warning("panoptic", "panoptic") == ""
