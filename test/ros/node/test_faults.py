"""Everything that can go wrong with the input of a node.

After each fault the node answers, the very next good frame is segmented, the fault is counted under its name, and no
thread or file is left behind. One process for all of it.
"""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import faults
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from faults import Fault, stamped
from ros_graph import KILLABLE, stamp_of
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from bisenetformer_ros.ros.shared_memory import VARIABLE

MIB = 2**20
TOPIC = "/image_raw"
COMPRESSED = "/image_raw/compressed"
HERE = Path(__file__).parents[1]


class Patient:
    """The node under test and its only camera."""

    def __init__(self, graph, process, topic: str, send: Callable[..., Image | CompressedImage]) -> None:
        """send: a good frame, or one with other fields."""
        self.graph, self.process, self.topic, self.send = graph, process, topic, send
        self.masks: list[Image] = []

    def count(self, key: str) -> int:
        return int(self.graph.values(self.topic).get(key, 0))

    def has(self, *, counted: str, after: int) -> None:
        self.graph.wait_for(lambda: self.count(counted) > after, f"{counted} is counted")

    def is_segmented(self, message: Image | CompressedImage) -> None:
        stamp = message.header.stamp
        self.graph.wait_for(lambda: any(m.header.stamp == stamp for m in self.masks), "the mask of this frame")
        self.masks.clear()

    def is_well(self) -> None:
        """Require that the next good frame is segmented and services respond."""
        self.is_segmented(self.send())
        assert self.graph.state() == "active"

    def holds_no_more_than(self, before: dict[str, int]) -> None:
        """Wait until temporary resources are closed; leaked ones never are."""
        self.graph.wait_for(
            lambda: all(count <= before[what] for what, count in self.holdings().items()), f"no more than {before}"
        )

    def holdings(self) -> dict[str, int]:
        """What must not grow."""
        return {"threads": self.process.num_threads(), "files": self.process.num_files()}


@pytest.fixture(scope="module")
def process(graph, start_node, weights):
    # engine: auto would start threads that are not related to the faults.
    parameters = {"model": str(weights), "task": "semantic", "engine": "torch", "diagnostic_updater.period": "0.1"}
    process = start_node(parameters)
    graph.wait_until_active(process)
    return process


@pytest.fixture(scope="module")
def raw(graph, process, camera) -> Iterator[Patient]:
    yield from treated(graph, process, TOPIC, camera.send)


@pytest.fixture(scope="module")
def compressed(graph, process) -> Iterator[Patient]:
    """The same process, now subscribed to JPEG and PNG."""
    for transition in ("deactivate", "cleanup"):
        assert graph.change_state(transition)
    assert graph.set_parameter("image_transport", "compressed") == (True, "")
    for transition in ("configure", "activate"):
        assert graph.change_state(transition)
    publisher = graph.node.create_publisher(CompressedImage, COMPRESSED, 10)

    def send(data: bytes = faults.JPEG, form: str = "jpeg") -> CompressedImage:
        header = Header(stamp=graph.node.get_clock().now().to_msg(), frame_id="front_camera")
        message = CompressedImage(header=header, format=form, data=data)
        publisher.publish(message)
        return message

    yield from treated(graph, process, COMPRESSED, send)


def treated(graph, process, topic: str, send: Callable) -> Iterator[Patient]:
    """A patient that has segmented its first frames, so that what it holds is what it needs.

    It has become reliable as well: a frame may get lost while it subscribes for the second time.
    """
    patient = Patient(graph, process, topic, send)
    subscription = graph.node.create_subscription(Image, "/bisenetformer/mask", patient.masks.append, 10)
    graph.wait_for(lambda: graph.is_heard_reliably(topic), "a reliable subscription")
    graph.wait_for(lambda: patient.masks, "the first mask", send)
    graph.settle()
    patient.is_well()
    yield patient
    graph.node.destroy_subscription(subscription)


@pytest.mark.parametrize("fault", faults.RAW, ids=str)
def test_a_bad_image_costs_only_its_frame(raw, fault: Fault):
    costs_one_frame(raw, fault)


def costs_one_frame(patient: Patient, fault: Fault) -> None:
    before, held, dropped = patient.count(fault.key), patient.holdings(), patient.count("total_dropped_frames")
    patient.send(**fault.changes)
    patient.has(counted=fault.key, after=before)
    patient.is_well()
    assert patient.count(fault.key) == before + 1
    assert patient.count("total_dropped_frames") == dropped + 1
    assert len(patient.graph.status(patient.topic).message) < 1000
    patient.holds_no_more_than(held)


@pytest.mark.parametrize("fault", faults.ODD, ids=str)
def test_an_odd_image_is_segmented_but_counted(raw, fault: Fault):
    costs_nothing(raw, fault)


def costs_nothing(patient: Patient, fault: Fault) -> None:
    patient.graph.settle()  # the frames before this one may have been odd
    before, dropped = patient.count(fault.key), patient.count("total_dropped_frames")
    patient.is_segmented(patient.send(**fault.changes))
    patient.has(counted=fault.key, after=before)
    patient.is_well()
    assert patient.count("total_dropped_frames") == dropped


def test_a_repeated_stamp(raw):
    before = raw.count(faults.REPEATED.key)
    message = raw.send()
    raw.is_segmented(message)
    raw.is_segmented(raw.send(header=message.header))
    raw.has(counted=faults.REPEATED.key, after=before)
    raw.is_well()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_non_finite_calibration_is_not_republished(raw, value):
    key = faults.NOT_A_NUMBER.key
    with raw.graph.listening({"camera_info": CameraInfo}) as messages:
        raw.graph.wait_for(lambda: messages["camera_info"], "a good calibration", raw.send)
        before = raw.count(key)
        publisher = raw.graph.node.create_publisher(CameraInfo, "camera_info", 10)
        bad = CameraInfo(k=[value] * 9)
        raw.graph.wait_for(lambda: raw.count(key) > before, "it is counted", lambda: publisher.publish(bad))
        raw.graph.node.destroy_publisher(publisher)
        raw.graph.settle()
        raw.is_well()
        assert all(np.isfinite(message.k).all() for message in messages["camera_info"])


def test_a_calibration_for_another_size_is_republished_and_counted(raw, camera):
    key, frame = faults.OTHER_CALIBRATION.key, Header(frame_id="calibration")
    region = RegionOfInterest(height=96, width=160)
    fitting = CameraInfo(header=frame, height=200, width=300, binning_x=2, binning_y=2, roi=region)
    raw.graph.settle()
    before = raw.count(key)
    publisher = raw.graph.node.create_publisher(CameraInfo, "camera_info", 10)
    with raw.graph.listening({"camera_info": CameraInfo}) as messages:

        def send(info: CameraInfo) -> None:
            publisher.publish(info)
            camera.publish(camera.picture())  # `send` would publish a calibration

        for info in (fitting, CameraInfo(header=frame, height=96, width=80)):
            assert raw.count(key) == before
            raw.graph.wait_for(
                lambda info=info: any(m.height == info.height for m in messages["camera_info"]),
                "the calibration is passed on",
                lambda info=info: send(info),
            )
            raw.graph.settle()
    raw.has(counted=key, after=before)
    raw.graph.node.destroy_publisher(publisher)
    raw.is_well()


def test_a_burst(raw):
    """Repeated until a frame is dropped by the node: the middleware may drop all but the last of a burst itself."""
    before, held = raw.count(faults.BURST.key), raw.holdings()

    def burst() -> None:
        for _ in range(40):
            raw.send(size=(240, 320))

    raw.graph.wait_for(lambda: raw.count(faults.BURST.key) > before, "a frame of a burst is dropped", burst)
    raw.graph.settle()
    raw.is_well()
    raw.holds_no_more_than(held)


def test_frames_that_are_too_old(raw):
    assert raw.graph.set_parameter("max_age_ms", 60_000.0) == (True, "")
    before = raw.count(faults.TOO_OLD.key)
    an_hour_ago = stamped(raw.graph.node.get_clock().now().nanoseconds // 10**9 - 3600)
    raw.graph.wait_for(
        lambda: raw.count(faults.TOO_OLD.key) > before,
        "it is counted",
        lambda: raw.send(**an_hour_ago),  # the first one goes back in time, and is dropped for that
    )
    raw.graph.settle()
    raw.is_well()
    assert raw.graph.set_parameter("max_age_ms", 0.0) == (True, "")


def test_a_second_publisher(raw):
    key = faults.SECOND_PUBLISHER.key
    with raw.graph.camera() as other:
        raw.graph.wait_for(lambda: raw.count(key) == 2, "the second publisher is seen", other.send)
    raw.graph.wait_for(lambda: raw.count(key) == 1, "it is gone")
    raw.graph.settle()
    raw.is_well()


def test_a_camera_that_stops(raw):
    raw.graph.wait_for_status(TOPIC, DiagnosticStatus.ERROR, "nothing arrives")
    before = raw.count(faults.SILENCE.key)
    raw.is_well()
    raw.has(counted=faults.SILENCE.key, after=before)


def test_a_camera_that_is_killed_and_restarted(raw, start):
    key, held = faults.KILLED_CAMERA.key, raw.holdings()
    for how in (signal.SIGKILL, signal.SIGINT):
        camera = start(str(HERE / "camera.py"), "20", **KILLABLE, **{VARIABLE: str(HERE / "short_lease.xml")})
        raw.graph.wait_for(
            lambda: len([mask for mask in raw.masks if stamp_of(mask) not in raw.graph.sent]) >= 2,
            "masks of the other process",
        )
        raw.graph.wait_for(lambda: raw.count(key) == 2, "it is known")
        camera.stop(how)
        raw.graph.wait_for(lambda: raw.count(key) == 1, "it is gone")
        raw.graph.settle()
        raw.is_well()
    raw.holds_no_more_than(held)


def test_a_subscriber_that_stalls(raw, start):
    """A reliable subscriber that never reads does not block others when the transport's buffers are full."""
    key, held = faults.STALLED_LISTENER.key, raw.holdings()
    mask = "/bisenetformer/mask"
    listener = start(str(HERE / "listener.py"), mask)
    raw.graph.wait_for(lambda: raw.graph.node.count_subscribers(mask) == 2, "the other listener")
    raw.is_well()
    listener.pause()
    before = raw.count(key)
    for _ in range(30):
        raw.is_segmented(raw.send(size=(240, 320)))
    raw.has(counted=key, after=before + 29)
    raw.is_well()
    listener.resume()
    assert listener.stop() == 0
    raw.graph.wait_for(lambda: raw.graph.node.count_subscribers(mask) == 1, "it is gone")
    raw.is_well()
    raw.holds_no_more_than(held)


def test_nothing_grows(raw):
    """Five rounds of bad images, 6 MB each: a node that kept them would grow by 30 MB."""
    large = {"height": 480, "width": 640, "step": 1920, "data": bytes(480 * 1920)}
    kinds = {
        faults.ENCODING: {**large, "encoding": "none"},
        faults.WRONG_LENGTH: {**large, "height": 479},
        faults.BACK: {**large, **stamped(1)},
        faults.INVALID: {**large, **stamped(1, faults.HUGE)},
        faults.TOO_LARGE: next(fault.changes for fault in faults.RAW if fault.key == faults.TOO_LARGE),
    }

    def a_round() -> None:
        for key, changes in kinds.items():
            before = raw.count(key)
            raw.send(**changes)
            raw.has(counted=key, after=before)
        raw.is_well()

    a_round()
    held, resident = raw.holdings(), raw.process.resident_bytes()
    for _ in range(5):
        a_round()
    raw.holds_no_more_than(held)
    assert raw.process.resident_bytes() < resident + 16 * MIB


@pytest.mark.parametrize("fault", faults.FILES, ids=str)
def test_a_bad_file_costs_only_its_frame(compressed, fault: Fault):
    costs_one_frame(compressed, fault)


@pytest.mark.parametrize("fault", faults.ODD_FILES, ids=str)
def test_an_odd_file_is_segmented(compressed, fault: Fault):
    costs_nothing(compressed, fault)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": b"\0\0\0\1\x67" + bytes(99), "form": "h264"}, "run image_transport's `republish` from ffmpeg to raw"),
        (
            {"data": bytes(12) + faults.PNG, "form": "16UC1; compressedDepth png"},
            "image_transport's `republish` from compressedDepth to raw",
        ),
    ],
    ids=["ffmpeg", "compressedDepth"],
)
def test_the_status_names_the_republisher(compressed, changes, words):
    compressed.graph.wait_for(
        lambda: words in compressed.graph.status(COMPRESSED).message, words, lambda: compressed.send(**changes)
    )
    compressed.graph.settle()
    compressed.is_well()


def test_every_fault_was_logged_by_name_without_a_traceback(compressed, process):
    output = process.output()
    for fault in (*faults.RAW, *faults.FILES):
        assert f"({fault.key.removeprefix('dropped.')})" in output
    assert "Traceback" not in output
    assert max(map(len, output.splitlines())) < 1000


def test_the_page_lists_every_fault_and_no_other():
    page = (HERE.parents[1] / "docs" / "faults.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| `([^|`]+)` \|", page, re.MULTILINE)
    assert sorted(rows) == sorted((fault.name, fault.key) for fault in faults.EVERY)
