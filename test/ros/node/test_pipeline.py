"""Pictures as drivers send them, through a node whose graph copies the green channel to ~/confidence."""

import re

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import Image
from small_graph import SIZE, write_graph

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed, and the graph needs it")

TOPIC = "/image_raw"
HEIGHT, WIDTH = SIZE


@pytest.fixture(scope="module")
def process(graph, start_node, tmp_path_factory):
    model = write_graph(tmp_path_factory.mktemp("graph") / "green.onnx", "fp32", dynamic_batch=False)
    process = start_node({"model": str(model), "engine": "onnxruntime"})
    graph.wait_until_active(process)
    return process


@pytest.fixture
def green(graph, camera):
    """Return what the node decoded of an image, by its green channel: (H, W) uint8."""

    def green(**fields) -> np.ndarray:
        message = graph.wait_for_result(messages["confidence"], lambda: camera.send(size=SIZE, **fields))
        return np.frombuffer(message.data, np.uint8).reshape(SIZE)

    with graph.listening({"confidence": Image}) as messages:
        yield green


def mono16(values: np.ndarray) -> dict:
    return {"encoding": "mono16", "step": 2 * WIDTH, "data": values.astype("<u2").tobytes()}


def ramp(last: int) -> np.ndarray:
    """Values from 0 to `last`."""
    return np.linspace(0, last, HEIGHT * WIDTH).round().astype(int).reshape(SIZE)


def test_an_encoding_without_colours_is_taken_as_grey_with_one_warning(graph, process, green):
    values = ramp(255)
    picture = {"encoding": "8UC1", "step": WIDTH, "data": values.astype(np.uint8).tobytes()}
    text = "encoding 8UC1 states no colours, taken as mono8"
    np.testing.assert_array_equal(green(**picture), values)
    graph.wait_for_status(TOPIC, DiagnosticStatus.WARN, text, every=lambda: green(**picture))
    logged = process.output().count(f"{TOPIC}: {text}")
    assert logged >= 1
    for _ in range(5):
        green(**picture)
    assert process.output().count(f"{TOPIC}: {text}") == logged


def test_three_channels_without_colours_are_taken_as_bgr(graph, process, green):
    bgr = np.arange(3 * HEIGHT * WIDTH).reshape(HEIGHT, WIDTH, 3).astype(np.uint8)
    picture = {"encoding": "8UC3", "step": 3 * WIDTH, "data": bgr.tobytes()}
    np.testing.assert_array_equal(green(**picture), bgr[..., 1])
    graph.wait_for_status(TOPIC, DiagnosticStatus.WARN, "8UC3", "taken as bgr8", every=lambda: green(**picture))
    assert f"{TOPIC}: encoding 8UC3 states no colours, taken as bgr8" in process.output()


def test_the_warning_ends_when_the_camera_states_its_encoding(graph, process, green):
    graph.wait_for_status(TOPIC, DiagnosticStatus.WARN, "states no colours", every=lambda: green(**unstated()))
    graph.wait_for_status(TOPIC, DiagnosticStatus.OK, "segmenting", every=green)


def unstated() -> dict:
    return {"encoding": "8UC1", "step": WIDTH, "data": bytes(HEIGHT * WIDTH)}


def test_bit_depth_scales_the_samples_and_is_suggested(graph, process, green):
    values = ramp(4095)
    np.testing.assert_array_equal(green(**mono16(values)), np.round(values * 255 / 65535))
    graph.wait_for_status(
        TOPIC,
        DiagnosticStatus.WARN,
        "no 16-bit sample has used more than 12 bits",
        "set `bit_depth:=12`",
        every=lambda: green(**mono16(values)),
    )
    assert graph.set_parameter("bit_depth", 12) == (True, "")
    graph.wait_for_status(TOPIC, DiagnosticStatus.OK, "segmenting", every=lambda: green(**mono16(values)))
    np.testing.assert_array_equal(green(**mono16(values)), np.round(values * 255 / 4095))
    white = mono16(np.full(SIZE, 4095)) | {"encoding": "bayer_rggb16"}
    np.testing.assert_array_equal(green(**white), 255)


def test_a_bit_depth_that_clips_is_reported(graph, process, green):
    assert graph.set_parameter("bit_depth", 12) == (True, "")
    values = ramp(16383)
    expected = np.minimum(np.round(values * 255 / 4095), 255)
    np.testing.assert_array_equal(green(**mono16(values)), expected)
    graph.wait_for_status(
        TOPIC,
        DiagnosticStatus.WARN,
        "those of more than 12 are clipped",
        "set `bit_depth:=14`",
        every=lambda: green(**mono16(values)),
    )
    assert graph.set_parameter("bit_depth", 16) == (True, "")


def test_a_frame_of_another_size_than_the_graph_is_explained_in_one_line_per_size(graph, process, camera):
    """The line is not repeated, however long the camera sends the size."""
    sizes = [(12, 16), (24, 32)]

    def lines() -> list[str]:
        return [line for line in process.output().splitlines() if "dropped an image" in line]

    def is_logged(size: tuple[int, int]) -> bool:
        return any("got {}x{}; export one for this size".format(*size) in line for line in lines())

    with graph.listening({"mask": Image}):
        for size in sizes:
            graph.wait_for(lambda size=size: is_logged(size), f"the line of {size}", lambda s=size: camera.send(size=s))
        # the pipeline logs no more than a line per camera and ten seconds, so the first size has waited for its turn
        before = int(graph.values(TOPIC)["dropped.failed.EngineError"])
        graph.wait_for(
            lambda: int(graph.values(TOPIC)["dropped.failed.EngineError"]) > before + 60,
            "more of them",
            lambda: camera.send(size=sizes[0]),
        )
        message = graph.wait_for_status(
            TOPIC, DiagnosticStatus.ERROR, "got 12x16; export one", every=lambda: camera.send(size=sizes[0])
        )
    assert len(lines()) == len(sizes)
    assert all("(failed.EngineError): the graph was exported for frames of 6x8 (height x width)" in x for x in lines())
    assert re.search(r"export one for this size: .*bisenetformer export .*--size 12x16", message)
    assert "Traceback" not in process.output()
