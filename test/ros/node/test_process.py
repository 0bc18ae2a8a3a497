"""Parameters as users write them, on the command line and in files, of a node as a process."""

import pytest
from ros_graph import Process

UNKNOWN = {
    "scor_treshold": "did you mean score_threshold?",
    "camera": "did you mean cameras?",
    "image_topic": "topics are remapped with `-r`, they are not parameters",
    "xyz": "`ros2 param list /bisenetformer` lists the known ones",
}
FILE = """
bisenetformer:
  ros__parameters:
    overlap_threshold: 1
    max_age_ms: 60000
    camera: front
    use_sim_time: false
    qos_overrides:
      /image_raw:
        subscription: {depth: 2, reliability: reliable}
"""


OTHERS = """
/robot/segmentation:
  ros__parameters: {score_threshold: 0.5}
"""


@pytest.fixture(scope="module")
def process(graph, start, weights, tmp_path_factory) -> Process:
    folder = tmp_path_factory.mktemp("parameters")
    files = []
    for name, text in (("own.yaml", FILE), ("others.yaml", OTHERS)):
        (folder / name).write_text(text)
        files += ["--params-file", str(folder / name)]
    given = {"model": weights, "score_threshold": 1, "diagnostic_updater.period": 1, "overlay_alpha": 0}
    given |= {"scor_treshold": 0.5, "image_topic": "/image", "xyz": 1}
    parameters = [part for name, value in given.items() for part in ("-p", f"{name}:={value}")]
    node = "bisenetformer_ros.ros.node.segmentation_node"
    process = start("-m", node, "--ros-args", *files, *parameters)
    graph.wait_until_active(process)
    return process


def test_whole_numbers_are_doubles(graph, process):
    names = ("score_threshold", "overlap_threshold", "overlay_alpha", "max_age_ms", "diagnostic_updater.period")
    values = [graph.get_parameter("/bisenetformer", name) for name in names]
    assert [*map(repr, values)] == ["1.0", "1.0", "0.0", "60000.0", "1.0"]


def test_a_whole_number_may_be_set_live(graph, process):
    assert graph.set_parameter("score_threshold", 0) == (True, "")
    assert repr(graph.get_parameter("/bisenetformer", "score_threshold")) == "0.0"


def test_each_unknown_parameter_is_warned_of_once_and_no_other(process):
    lines = [line for line in process.output().splitlines() if "is unknown and ignored" in line]
    assert len(lines) == len(UNKNOWN)
    for name, hint in UNKNOWN.items():
        assert sum(line.endswith(f"parameter {name} is unknown and ignored: {hint}") for line in lines) == 1, lines
    assert all("[WARN]" in line for line in lines)


def test_a_parameter_file_of_other_nodes_is_warned_of(process):
    (line,) = (line for line in process.output().splitlines() if ".yaml" in line)
    assert line.endswith(
        "others.yaml has no parameters for /bisenetformer, only for /robot/segmentation; use that name or /**"
    )
    assert "[WARN]" in line
