import re
from pathlib import Path

from bisenetformer_ros.resources import share_dir
from bisenetformer_ros.ros.parameters import SETTINGS, Changes, markdown_table

DOCUMENT = Path(share_dir()) / "docs" / "node.md"


def test_document_has_the_table_of_the_declarations():
    """If this fails, put the output of `markdown_table()` between the two comments in docs/node.md."""
    table = re.search(r"<!-- parameters -->\n(.*?)\n<!-- /parameters -->", DOCUMENT.read_text(), re.DOTALL)
    assert table[1] == markdown_table()


def test_table_has_a_row_with_everything_for_each_parameter():
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.*) \|$", markdown_table(), re.MULTILINE))
    assert len(rows) == len(SETTINGS)
    assert rows["score_threshold"].startswith("double | `0.8` | 0 to 1 | at any time | ")
    assert rows["enable"].startswith("bool | `true` |  | at any time | ")
    assert rows["task"].startswith("string | `panoptic` | semantic, panoptic | while unconfigured | ")


def test_names_are_those_of_the_interface():
    interface = "model engine device precision task score_threshold overlap_threshold overlay_alpha reliability enable"
    assert {*interface.split(), "max_age_ms", "diagnostic_updater.period"} <= {setting.name for setting in SETTINGS}


def test_descriptor_has_description_and_range():
    settings = {setting.name: setting for setting in SETTINGS}
    descriptor = settings["overlay_alpha"].descriptor()
    assert "~/overlay" in descriptor.description
    assert (descriptor.floating_point_range[0].from_value, descriptor.floating_point_range[0].to_value) == (0.0, 1.0)
    assert settings["task"].descriptor().additional_constraints == "one of: semantic, panoptic"
    assert settings["task"].changes is Changes.UNCONFIGURED
