"""The types written to bags equal those of a live graph, by the type hashes of rosidl."""

import json
from pathlib import Path

import pytest

pytest.importorskip("bisenetformer_ros.msg", reason="ROS 2 is not sourced: source tools/env.sh")

from ament_index_python.packages import get_package_share_directory

from bisenetformer_ros.bags.message_types import message_types

USED = {
    "bisenetformer_ros": ["LabelMap", "Latency", "Segment", "SegmentArray"],
    "sensor_msgs": ["CameraInfo", "CompressedImage", "Image"],
    "vision_msgs": ["Detection2DArray", "LabelInfo"],
}


@pytest.mark.parametrize(("package", "name"), [(package, name) for package, names in USED.items() for name in names])
def test_types_equal_those_of_the_graph(package: str, name: str) -> None:
    full_name = f"{package}/msg/{name}"
    description = json.loads(Path(get_package_share_directory(package), "msg", f"{name}.json").read_text())
    (expected,) = (entry["hash_string"] for entry in description["type_hashes"] if entry["type_name"] == full_name)
    assert message_types().hash_rihs01(full_name) == expected
