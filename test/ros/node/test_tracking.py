"""Ids of things over several frames, of the node with the shipped weights, which find a car in a shipped picture."""

from dataclasses import dataclass

import numpy as np
import pytest
from bisenetformer_ros.msg import SegmentArray
from rclpy.time import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from bisenetformer_ros.images.files import read_rgb
from bisenetformer_ros.resources import SHIPPED_MODEL, share_dir
from bisenetformer_ros.segmenter import Segmenter

SIZE = (240, 320)
PERIOD_NS = 100_000_000
CAR = (139, 159)
"""x and y of a car in the picture."""
AROUND_CAR = slice(115, 205), slice(90, 190)
ROAD = slice(240, 330), slice(90, 190)
ENGINE = {"engine": "torch", "precision": "fp32"}


@dataclass(frozen=True)
class View:
    """A part of the picture, seen by a camera that turns."""

    rgb: np.ndarray
    car: tuple[int, int]  # x and y


def read_street(number: int) -> np.ndarray:
    return read_rgb(share_dir() / "config" / "verification" / f"street_{number}.jpg")


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return read_street(3)


def view(picture: np.ndarray, left: int) -> View:
    top = 60
    rgb = np.ascontiguousarray(picture[top : top + SIZE[0], left : left + SIZE[1]])
    return View(rgb, (CAR[0] - left, CAR[1] - top))


@pytest.fixture(scope="module")
def views(picture) -> list[View]:
    """The car moves to the left by 8 pixels per frame."""
    return [view(picture, 8 * number) for number in range(10)]


@pytest.fixture(scope="module")
def without_car(picture) -> View:
    """The first view, with road where the car is."""
    empty = picture.copy()
    empty[AROUND_CAR] = picture[ROAD]
    return view(empty, 0)


@pytest.fixture(scope="module")
def segment() -> Segmenter:
    """The network without tracking."""
    return Segmenter(SHIPPED_MODEL, task="panoptic", **ENGINE)


@pytest.fixture(scope="module")
def process(graph, start_node):
    process = start_node({"cameras": "[front,rear]", **ENGINE})
    graph.wait_until_active(process)
    return process


class Show:
    """Shows pictures to a camera of the node, one after the other; returns what the node publishes of each."""

    def __init__(self, graph, name: str, camera, messages: dict[str, list]) -> None:
        self._graph, self._name, self._camera, self._messages = graph, name, camera, messages
        self.next_ns = graph.node.get_clock().now().nanoseconds

    def __call__(self, rgb: np.ndarray) -> tuple[np.ndarray, SegmentArray, Detection2DArray]:
        """The panoptic map, (H, W) uint16, and the messages that go with it."""
        header = Header(stamp=Time(nanoseconds=self.next_ns).to_msg(), frame_id="turning")
        self.next_ns += PERIOD_NS
        topics = [f"{self._name}/{topic}" for topic in ("panoptic", "segments", "detections")]

        def found() -> list | None:
            of_frame = [[m for m in self._messages[topic] if m.header == header] for topic in topics]
            return [messages[0] for messages in of_frame] if all(of_frame) else None

        send = lambda: self._camera.send(size=SIZE, data=rgb.tobytes(), header=header)  # noqa: E731
        panoptic, segments, detections = self._graph.wait_for(found, f"the segments of {self._name}", send)
        return np.frombuffer(panoptic.data, np.uint16).reshape(SIZE), segments, detections

    def ids(self, rgb: np.ndarray) -> set[int]:
        return {segment.id for segment in self(rgb)[1].segments}

    def car(self, shown: View) -> int:
        """The id of the car."""
        panoptic, segments, detections = self(shown.rgb)
        car = int(panoptic[shown.car[::-1]])
        assert [s.class_name for s in segments.segments if s.id == car] == ["car"]
        assert str(car) in [detection.id for detection in detections.detections]
        assert {s.id for s in segments.segments} == set(np.unique(panoptic).tolist()) - {0}
        return car


KINDS = {"panoptic": Image, "segments": SegmentArray, "detections": Detection2DArray}


@pytest.fixture
def cameras(graph, process):
    """Name → Show. The node is activated anew for each test."""
    assert graph.change_state("deactivate")
    assert graph.change_state("activate")
    names = ("front", "rear")
    topics = {f"{name}/{topic}": kind for name in names for topic, kind in KINDS.items()}
    with (
        graph.camera("/front/image_raw") as front,
        graph.camera("/rear/image_raw") as rear,
        graph.listening(topics) as messages,
    ):
        yield {name: Show(graph, name, camera, messages) for name, camera in zip(names, (front, rear), strict=True)}


@pytest.fixture
def front(cameras) -> Show:
    return cameras["front"]


@pytest.fixture
def with_parameter(graph):
    """Set parameters of the node until the end of the test."""
    before = {}

    def set_parameter(name: str, value) -> None:
        before.setdefault(name, graph.get_parameter("/bisenetformer", name))
        assert graph.set_parameter(name, value) == (True, "")

    yield set_parameter
    for name, value in before.items():
        assert graph.set_parameter(name, value) == (True, "")


def test_the_network_finds_the_car_where_it_is(segment, views, without_car):
    """What the other tests build on; its own ids change from frame to frame."""
    found = []
    for shown in views:
        result = segment(shown.rgb)
        found.append(int(result.panoptic_map[shown.car[::-1]]))
        assert [s.class_name for s in result.segments if s.id == found[-1]] == ["car"]
    assert len(set(found)) > 1
    x, y = without_car.car
    cars = [s.box_xyxy for s in segment(without_car.rgb).segments if s.class_name == "car"]
    assert not [box for box in cars if box[0] <= x < box[2] and box[1] <= y < box[3]]


def test_a_thing_that_moves_keeps_its_id(front, views):
    assert len({front.car(shown) for shown in views}) == 1


def test_without_tracking_every_frame_has_ids_of_its_own(front, views, segment, with_parameter):
    with_parameter("tracking", False)
    for shown in views[:5]:
        panoptic, segments, _ = front(shown.rgb)
        expected = segment(shown.rgb)
        np.testing.assert_array_equal(panoptic, expected.panoptic_map)
        assert [s.id for s in segments.segments] == [s.id for s in expected.segments]
    with_parameter("tracking", True)
    assert len({front.car(shown) for shown in views[5:]}) == 1


def test_cameras_have_tracks_of_their_own(cameras, views):
    front, rear = cameras["front"], cameras["rear"]
    other = view(read_street(1), 0).rgb
    car = front.car(views[0])
    for shown in views[1:5]:
        ids = rear.ids(other)
        assert ids == {*range(1, len(ids) + 1)}
        assert front.car(shown) == car
    assert len(ids) > 1


def test_a_thing_that_was_hidden_is_remembered_for_max_missing_frames(front, views, without_car, with_parameter):
    """A frame that is sent twice, as the first one takes long, counts twice: the limits allow for that."""
    with_parameter("max_missing", 1000)
    car = front.car(views[0])
    for _ in range(3):
        front(without_car.rgb)
    assert front.car(views[0]) == car
    with_parameter("max_missing", 0)
    front(without_car.rgb)
    again = front.car(views[0])
    assert again > car


def test_tracks_end_when_the_stamps_go_back(front, views):
    car = front.car(views[0])
    assert front.car(views[0]) == car
    front.next_ns -= 100 * 10**9
    again = front.car(views[0])  # sent again, as the node drops the first image that goes back
    assert again > car
    assert front.car(views[0]) == again


def test_ids_begin_at_1_when_the_node_is_activated(graph, front, views, without_car, with_parameter):
    with_parameter("max_missing", 0)
    front.car(views[0])
    front(without_car.rgb)
    before = front.ids(views[0].rgb)
    assert max(before) > len(before)
    assert graph.change_state("deactivate")
    assert graph.change_state("activate")
    ids = front.ids(views[0].rgb)
    assert ids == {*range(1, len(ids) + 1)}
