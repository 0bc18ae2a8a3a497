import re

import pytest

from bisenetformer_ros.ros.node.settings import IMAGE_TRANSPORTS, SETTINGS, markdown_table
from bisenetformer_ros.ros.transports import TRANSPORTS

BY_NAME = {setting.name: setting for setting in SETTINGS}


def test_table_has_a_complete_row_for_each_parameter():
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.*) \|$", markdown_table(), re.MULTILINE))
    assert len(rows) == len(SETTINGS)
    assert rows["score_threshold"].startswith("double | `0.8` | 0 to 1 | at any time | ")
    assert rows["enable"].startswith("bool | `true` |  | at any time | ")
    assert rows["task"].startswith("string | `auto` | semantic, panoptic, auto | while unconfigured | ")
    assert rows["cameras"].startswith("string array | `[]` |  | while unconfigured | ")


def test_names_are_those_of_the_interface():
    interface = (
        "model engine device precision task score_threshold overlap_threshold overlay_alpha cameras image_transport "
        "reliability max_age_ms enable diagnostic_updater.period"
    )
    assert set(interface.split()) <= BY_NAME.keys()


def test_image_transports_are_the_transports():
    assert set(IMAGE_TRANSPORTS) == TRANSPORTS.keys()


@pytest.mark.parametrize("names", [["front", "rear"], ["cam_0"], [], ["Left"]])
def test_names_of_cameras(names):
    assert BY_NAME["cameras"].problem(names) == ""


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["front", "front"], "names must be unique, got front, front"),
        (["front/left"], "'front/left' is not valid in a topic name"),
        (["0"], "'0' is not valid"),
        ([""], "'' is not valid"),
        (["größe"], "'größe' is not valid"),
        (["a\n"], "is not valid"),
    ],
)
def test_names_that_are_not_valid_in_a_topic_are_rejected(names, words):
    assert words in BY_NAME["cameras"].problem(names)


def test_an_invalid_choice_is_rejected_with_the_choices():
    assert BY_NAME["image_transport"].problem("theora") == (
        "image_transport: expected one of raw, compressed, got 'theora'"
    )
