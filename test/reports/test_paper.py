import pytest

from bisenetformer_ros.reports.paper import paper_tables

CITYSCAPES = paper_tables("cityscapes", "panoptic")


@pytest.mark.parametrize(
    ("dataset", "task", "numbers"),
    [
        ("cityscapes", "semantic", [1]),
        ("ade20k", "semantic", [2]),
        ("cityscapes", "panoptic", [3, 5, 6, 7]),
        ("ade20k-panoptic", "panoptic", [4, 5]),
        ("camvid", "semantic", []),
    ],
)
def test_every_data_set_and_task_has_its_tables(dataset: str, task: str, numbers: list[int]) -> None:
    assert [table.number for table in paper_tables(dataset, task)] == numbers


@pytest.mark.parametrize(
    ("architecture", "pq"),
    [
        ({"name": "bisenetformer-stdc2"}, [57.3, None, 57.3, 57.3]),
        ({"name": "bisenetformer-r50", "num_classes": 19}, [57.5, None, None, None]),
        ({"name": "bisenetformer-stdc2", "num_queries": 50}, [None, None, None, 54.8]),
        ({"name": "bisenetformer-stdc2", "num_levels": 3, "num_blocks": 9}, [None, None, 58.9, None]),
        ({"name": "bisenetformer-stdc2", "channels": 96}, [None] * 4),
        ({"name": "bisenetformer-nano"}, [None] * 4),
    ],
)
def test_a_network_has_a_row_if_the_paper_has_exactly_that_one(architecture: dict, pq: list[float | None]) -> None:
    rows = [table.find(architecture) for table in CITYSCAPES]
    assert [row.figures.get("pq") if row else None for row in rows] == pq


def test_what_the_paper_says_twice_is_the_same() -> None:
    """One network in four tables: PQ, and frames per second."""
    rows = [table.find({"name": "bisenetformer-stdc2"}) for table in CITYSCAPES]
    assert {row.figures["fps"] for row in rows if "fps" in row.figures} == {47.8}
    semantic = paper_tables("cityscapes", "semantic")[0].find({"name": "bisenetformer-stdc2"})
    assert (semantic.figures["miou"], semantic.figures["fps"], semantic.backbone) == (77.5, 47.8, "STDC2")


def test_figures_that_the_paper_leaves_out_are_missing() -> None:
    mask2former = CITYSCAPES[0].rows[0]
    assert mask2former.method == "Mask2Former"
    assert mask2former.figures == {"pq": 62.1, "fps": 4.1, "flops_g": 519, "params_m": 44.0}
    assert mask2former.architecture is None
