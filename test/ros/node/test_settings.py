import re

import pytest

from bisenetformer_ros.ros.transports import TRANSPORTS
from bisenetformer_ros.ros.node.settings import IMAGE_TRANSPORTS, SETTINGS, markdown_table

BY_NAME = {setting.name: setting for setting in SETTINGS}


def test_table_has_a_row_with_everything_for_each_parameter():
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.*) \|$", markdown_table(), re.MULTILINE))
    assert len(rows) == len(SETTINGS)
    assert rows["score_threshold"].startswith("double | `0.8` | 0 to 1 | at any time | ")
    assert rows["enable"].startswith("bool | `true` |  | at any time | ")
    assert rows["task"].startswith("string | `panoptic` | semantic, panoptic | while unconfigured | ")
    assert rows["cameras"].startswith("string array | `[]` |  | while unconfigured | ")


def test_names_are_those_of_the_interface():
    interface = (
        "model engine device precision task score_threshold overlap_threshold overlay_alpha cameras image_transport "
        "reliability max_age_ms enable diagnostic_updater.period"
    )
    assert set(interface.split()) <= BY_NAME.keys()


def test_every_transport_that_can_be_chosen_is_there():
    assert set(IMAGE_TRANSPORTS) == TRANSPORTS.keys()


@pytest.mark.parametrize("names", [["front", "rear"], ["cam_0"], [], ["Left"]])
def test_names_of_cameras(names):
    assert BY_NAME["cameras"].problem(names) == ""


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["front", "front"], "once only, got front, front"),
        (["front/left"], "'front/left' cannot be a part"),
        (["0"], "'0' cannot"),
        ([""], "'' cannot"),
        (["größe"], "'größe' cannot"),
        (["a\n"], "cannot"),
    ],
)
def test_names_that_cannot_be_a_part_of_a_topic_are_refused(names, words):
    assert words in BY_NAME["cameras"].problem(names)


def test_a_choice_that_is_none_is_refused_with_the_choices():
    assert BY_NAME["image_transport"].problem("theora") == (
        "image_transport: expected one of raw, compressed, got 'theora'"
    )
