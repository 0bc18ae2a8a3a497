import re

import pytest

from bisenetformer_ros.reports.paper import paper_cards, paper_tables

CITYSCAPES = paper_tables("cityscapes", "panoptic")
MEASURED = {"miou": 70.0, "pq": 56.0, "pq_things": 50.1, "pq_stuff": 66.0, "fps": 12.34}


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


def rows(card: str) -> list[list[str]]:
    return [re.findall("<td>(.*?)</td>", row) for row in re.findall("<tr.*?</tr>", card)]


def test_the_measurement_is_compared_with_its_row() -> None:
    (card, *_) = paper_cards("cityscapes", "panoptic", {"name": "bisenetformer-stdc2", "num_classes": 19}, MEASURED)
    assert rows(card)[-2:] == [
        ["measured here", "", "56.0", "50.1", "66.0", "12.3", "", ""],
        ["against BiSeNetFormer", "STDC2", "-1.3", "+1.5", "+0.0", "", "", ""],
    ]
    assert ["Mask2Former", "R50", "62.1", "", "", "4.1", "519", "44.0"] in rows(card)
    assert "FPSNet: fps of a Titan GPU" in card
    assert card.count('<tr class="total">') == 2


def test_a_network_that_is_not_in_the_table_is_only_shown() -> None:
    (card,) = paper_cards("ade20k", "semantic", {"name": "bisenetformer-nano"}, MEASURED)
    assert rows(card)[-1] == ["measured here", "", "70.0", "12.3", "", ""]
    assert "The measured network is not in the table" in card
    assert card.count('<tr class="total">') == 1


def test_without_a_table_there_is_no_card() -> None:
    assert list(paper_cards("camvid", "semantic", {"name": "bisenetformer-nano"}, MEASURED)) == []
