import re

import pytest

from bisenetformer_ros.reports.paper import all_paper_tables, paper_cards, paper_tables, paper_texts

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


PRINTED = [  # transcribed a second time: table, method, backbone, the cells of the row from left to right
    (1, "BiSeNetV2-L", "", "75.8 47.3 119"),
    (1, "PIDNet-M", "", "80.1 39.8 197 34.4"),
    (1, "MaskFormer", "R101", "78.5 10.1 559 60.2"),
    (1, "BiSeNetFormer", "STDC1", "75.4 59.0 56 13.1"),
    (2, "BiSeNetV1", "R18", "35.1 143.1 15 13.3"),
    (2, "DDRNet-23", "", "39.6 94.6 18 20.3"),
    (2, "BiSeNetFormer", "STDC2", "44.9 99.7 11 17.2"),
    (3, "LPSNet", "R50", "59.7 54.0 63.9 7.7"),
    (3, "YOSO", "R50", "59.7 51.0 66.1 11.1 265 42.6"),
    (3, "BiSeNetFormer", "R50", "57.5 52.2 62.4 22.3 199 31.7"),
    (4, "BGRNet", "R50", "31.8 34.1 27.3"),
    (4, "MaskFormer", "R50", "34.7 32.2 39.7 29.7 86 45.0"),
    (4, "BiSeNetFormer", "R50", "31.6 30.2 34.6 77.4 39 31.6"),
    (5, "BiSeNetFormer", "STDC1", "112.9 79.5 38.2"),
    (5, "BiSeNetFormer", "R50", "37.6 7.7 9.7"),
    (6, "1/32 and 1/16, 2 stages", "STDC2", "55.1 53.0 18.9"),
    (6, "1/32 to 1/8, 3 stages", "STDC2", "58.9 27.1 36.9"),
    (7, "50 queries", "STDC2", "54.8 42.9 63.5 80"),
    (7, "200 queries", "STDC2", "58.0 49.8 69.1 88"),
]


@pytest.mark.parametrize(("number", "method", "backbone", "cells"), PRINTED)
def test_rows_are_as_printed(number: int, method: str, backbone: str, cells: str) -> None:
    rows = [
        [*row.figures.values()]
        for table in all_paper_tables()
        for row in table.rows
        if (table.number, row.method, row.backbone) == (number, method, backbone)
    ]
    assert [float(cell) for cell in cells.split()] in rows


def test_tables_have_as_many_rows_as_printed() -> None:
    assert [(table.number, len(table.rows)) for table in all_paper_tables()] == [
        (1, 17),
        (2, 17),
        (3, 10),
        (4, 8),
        (5, 3),
        (5, 3),
        (6, 6),
        (7, 3),
    ]


def test_a_table_says_where_it_is() -> None:
    assert {table.number: table.place for table in all_paper_tables()} == {
        1: "table 1 (page 6)",
        2: "table 2 (page 6)",
        3: "table 3 (page 7)",
        4: "table 4 (page 7)",
        5: "table 5 (section 4.3)",
        6: "table 6 (section 4.4)",
        7: "table 7 (section 4.4)",
    }


def test_figures_of_the_text_are_of_rows_of_tables() -> None:
    own = {
        (table.number, row.backbone): row
        for table in all_paper_tables()
        for row in table.rows
        if row.method == "BiSeNetFormer"
    }
    for text in paper_texts():
        assert text.figures.keys() <= own[text.table, text.backbone].figures.keys()


def test_figures_that_the_paper_leaves_out_are_missing() -> None:
    mask2former = CITYSCAPES[0].rows[0]
    assert mask2former.method == "Mask2Former"
    assert mask2former.figures == {"pq": 62.1, "fps": 4.1, "flops_g": 519, "params_m": 44.0}
    assert mask2former.architecture is None


def rows(card: str) -> list[list[str]]:
    return [re.findall("<td>(.*?)</td>", row) for row in re.findall("<tr.*?</tr>", card)]


def test_the_measurement_is_compared_with_its_row() -> None:
    (card, *_) = paper_cards(
        "cityscapes", "panoptic", {"name": "bisenetformer-stdc2", "num_classes": 19}, MEASURED, "fp16"
    )
    assert rows(card)[-2:] == [
        ["measured here", "fp16 weights", "56.0", "50.1", "66.0", "12.3", "", ""],
        ["against BiSeNetFormer", "STDC2", "-1.3", "+1.5", "+0.0", "", "", ""],
    ]
    assert ["Mask2Former", "R50", "62.1", "", "", "4.1", "519", "44.0"] in rows(card)
    assert "FPSNet: fps of a Titan GPU" in card
    assert card.count('<tr class="total">') == 2


def test_a_network_that_is_not_in_the_table_is_only_shown() -> None:
    (card,) = paper_cards("ade20k", "semantic", {"name": "bisenetformer-nano"}, MEASURED, "fp16")
    assert rows(card)[-1] == ["measured here", "fp16 weights", "70.0", "12.3", "", ""]
    assert "The measured network is not in the table" in card
    assert card.count('<tr class="total">') == 1


def test_without_a_table_there_is_no_card() -> None:
    assert list(paper_cards("camvid", "semantic", {"name": "bisenetformer-nano"}, MEASURED, "fp16")) == []
