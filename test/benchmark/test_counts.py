import pytest

from bisenetformer_ros.benchmark.counts import count_network


@pytest.mark.parametrize(
    ("name", "num_classes", "size", "params_m", "gmacs"),
    [  # as the paper prints them
        ("bisenetformer-stdc1", 19, (1024, 2048), 13.1, 56),
        ("bisenetformer-r50", 150, (640, 640), 31.6, 39),
    ],
)
def test_counts_equal_the_papers(
    name: str, num_classes: int, size: tuple[int, int], params_m: float, gmacs: float
) -> None:
    counts = count_network({"name": name, "num_classes": num_classes}, size)
    assert counts.params_m == pytest.approx(params_m, rel=0.01)
    assert counts.gmacs == pytest.approx(gmacs, rel=0.03)
    assert 0.85 * counts.gmacs < counts.folded_gmacs < counts.gmacs


def test_a_query_costs_its_embeddings() -> None:
    few, many = (
        count_network({"name": "bisenetformer-nano", "num_classes": 11, "num_queries": number}, (64, 96)).params_m
        for number in (10, 60)
    )
    assert 1e6 * (many - few) == pytest.approx(50 * 2 * 128)  # one vector to begin with and one for its position
