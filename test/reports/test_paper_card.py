import re

from bisenetformer_ros.reports.paper_card import paper_cards

MEASURED = {"miou": 70.0, "pq": 56.0, "pq_things": 50.1, "pq_stuff": 66.0, "fps": 12.34}


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
