"""The message interface, which other nodes and recordings depend on."""

import json
from pathlib import Path

import pytest

pytest.importorskip("bisenetformer_ros.msg", reason="ROS 2 is not sourced: source tools/env.sh")

from ament_index_python.packages import get_package_share_directory
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import ColorRGBA, Header

from bisenetformer_ros import msg

ROOT = Path(__file__).resolve().parents[1]
MESSAGE_FILES = sorted((ROOT / "msg").glob("*.msg"))

FIELDS = {
    "Segment": {
        "id": "uint16",
        "class_id": "uint8",
        "class_name": "string",
        "is_thing": "boolean",
        "score": "float",
        "area": "uint32",
        "box": "sensor_msgs/RegionOfInterest",
        "centroid_x": "float",
        "centroid_y": "float",
    },
    "SegmentArray": {
        "header": "std_msgs/Header",
        "segments": "sequence<bisenetformer_ros/Segment>",
    },
    "LabelMap": {
        "header": "std_msgs/Header",
        "class_ids": "sequence<uint8>",
        "class_names": "sequence<string>",
        "is_thing": "sequence<boolean>",
        "colors": "sequence<std_msgs/ColorRGBA>",
    },
    "Latency": {
        "header": "std_msgs/Header",
        "transport_ms": "float",
        "decode_ms": "float",
        "preprocess_ms": "float",
        "inference_ms": "float",
        "postprocess_ms": "float",
        "publish_ms": "float",
        "total_ms": "float",
        "dropped_frames": "uint32",
    },
}

# RIHS01 hashes of the real vision_msgs, tag 4.1.1 of github.com/ros-perception/vision_msgs, as rosidl wrote them to
# share/vision_msgs/msg/*.json. With equal hashes, nodes built against either are compatible.
VISION_MSGS_HASHES = {
    "BoundingBox2D": "RIHS01_008eacbb0cf8f26e83795547bed013eec3675485ef386ec056d80eaaf1c1ce2f",
    "BoundingBox3D": "RIHS01_bbb73a65c163d7f9bb29009c7bde9f7faa576bd2d23299c4511d19230dab4698",
    "Detection2D": "RIHS01_0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea",
    "Detection2DArray": "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968",
    "Detection3D": "RIHS01_ddd703be132ab0b69d33121f1bb034132bfbb3b0ac5f9fb1516005ba1c8a265b",
    "Detection3DArray": "RIHS01_793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018",
    "LabelInfo": "RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783",
    "ObjectHypothesis": "RIHS01_51da43cec11c01957a64d1e05a24acd18aae7745ec30b74348ad5f6d634f7f90",
    "ObjectHypothesisWithPose": "RIHS01_41c12344c0396c48b81df12467c192d99b2a0eb1463c5c37194e4223251c80bc",
    "Point2D": "RIHS01_eab0e83f44ab4de92ceaf76dd7d0e7638f2bdd1d16ffbe16c7a136c48e407247",
    "Pose2D": "RIHS01_b0b5d1d7b4c20dd4fcde3ed1d4b289a919290572007d67a97043814db25d3648",
    "VisionClass": "RIHS01_1e4a11f0fed50b5623cb8ff26ca0e37952a48a9c074d16f804b44e9164c2037a",
}


def test_the_table_has_every_message_file() -> None:
    assert {file.stem for file in MESSAGE_FILES} == set(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_fields_in_order(name: str) -> None:
    assert list(getattr(msg, name).get_fields_and_field_types().items()) == list(FIELDS[name].items())


@pytest.mark.parametrize("file", MESSAGE_FILES, ids=lambda file: file.stem)
def test_every_field_has_a_comment(file: Path) -> None:
    definitions = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    without_comment = [line for line in definitions if not line.partition("#")[2].strip()]
    assert without_comment == []


def test_segments_round_trip() -> None:
    segment = msg.Segment(
        id=65535,
        class_id=254,
        class_name="bicyclist",
        is_thing=True,
        score=0.75,
        area=4_000_000_000,
        box=RegionOfInterest(x_offset=3, y_offset=5, height=7, width=11),
        centroid_x=8.5,
        centroid_y=8.25,
    )
    sent = msg.SegmentArray(header=Header(frame_id="camera_front"), segments=[segment, msg.Segment(id=1)])
    assert deserialize_message(serialize_message(sent), msg.SegmentArray) == sent


def test_label_map_round_trip() -> None:
    sent = msg.LabelMap(
        class_ids=[0, 1], class_names=["road", "car"], is_thing=[False, True], colors=[ColorRGBA(r=1.0), ColorRGBA()]
    )
    assert deserialize_message(serialize_message(sent), msg.LabelMap) == sent


def test_the_table_has_the_types_of_the_underlay() -> None:
    built = {file.stem for file in (ROOT / "tools" / "vision_msgs_underlay" / "msg").glob("*.msg")}
    assert built == set(VISION_MSGS_HASHES)


@pytest.mark.parametrize("name", VISION_MSGS_HASHES)
def test_vision_msgs_types_equal_upstream(name: str) -> None:
    description = Path(get_package_share_directory("vision_msgs")) / "msg" / f"{name}.json"
    if not description.is_file():
        pytest.skip("this ROS 2 writes no type hashes (older than Iron)")
    hashes = {entry["type_name"]: entry["hash_string"] for entry in json.loads(description.read_text())["type_hashes"]}
    assert hashes[f"vision_msgs/msg/{name}"] == VISION_MSGS_HASHES[name]
