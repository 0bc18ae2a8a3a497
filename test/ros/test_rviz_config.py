import os
import struct

import pytest
import yaml

from bisenetformer_ros.resources import share_dir
from bisenetformer_ros.ros.node.input import TOPIC
from bisenetformer_ros.ros.node.outputs import frame_outputs
from bisenetformer_ros.ros.node.segmentation_node import DEFAULT_NAME
from bisenetformer_ros.ros.projection.projection_node import DEFAULT_NAME as PROJECTION

LAYOUT = yaml.safe_load((share_dir() / "config" / "rviz" / "segment.rviz").read_text())
WINDOW = LAYOUT["Window Geometry"]
STATE = bytes.fromhex(WINDOW["QMainWindow State"])
DISPLAYS = LAYOUT["Visualization Manager"]["Displays"]
IMAGES = [display["Name"] for display in DISPLAYS if display["Class"] == "rviz_default_plugins/Image"]
LEFT, TOP = 0, 2  # QInternal::DockPosition
HORIZONTAL = 1


def read(form: str, state: bytes) -> tuple[tuple, bytes]:
    """Take big endian numbers from the front."""
    size = struct.calcsize(f">{form}")
    return struct.unpack(f">{form}", state[:size]), state[size:]


def read_name(state: bytes) -> tuple[str, bytes]:
    (length,), state = read("I", state)
    return state[:length].decode("utf-16-be"), state[length:]


def read_area(state: bytes) -> tuple[int, tuple[int, int], int, dict[str, int], bytes]:
    """One dock area as QDockAreaLayout writes it: position, size, orientation, and the length of each shown dock."""
    (position, width, height, marker, orientation, count), state = read("iiiBBi", state)
    assert marker == 0xFC
    docks = {}
    for _ in range(count):
        (marker,), state = read("B", state)
        name, state = read_name(state)
        (flags, _, length, _, _), state = read("Biiii", state)
        assert (marker, flags) == (0xFB, 1)  # a dock, shown and not floating
        docks[name] = length
    return position, (width, height), orientation, docks, state


def test_every_display_shows_an_image_topic_that_the_node_has():
    topics = [display["Topic"]["Value"] for display in DISPLAYS if display["Name"] in IMAGES]
    assert topics == [f"/{DEFAULT_NAME}/overlay", f"/{DEFAULT_NAME}/color_mask", f"/{TOPIC}"]
    assert {"overlay", "color_mask"} <= frame_outputs("semantic").keys()


def test_displays_of_the_projection_node_are_there_and_disabled():
    """An enabled one would subscribe, and the projection node computes what is subscribed to."""
    others = {display["Topic"]["Value"]: display for display in DISPLAYS if display["Name"] not in IMAGES}
    kinds = {"points": "rviz_default_plugins/PointCloud2", "markers": "rviz_default_plugins/MarkerArray"}
    assert {topic: display["Class"] for topic, display in others.items()} == {
        f"/{PROJECTION}/{topic}": kind for topic, kind in kinds.items()
    }
    assert not any(display["Enabled"] for display in others.values())
    assert all(display["Enabled"] for display in DISPLAYS if display["Name"] in IMAGES)


def test_window_state_puts_the_images_side_by_side():
    (marker, version, dock_marker, areas), rest = read("iiBi", STATE)
    assert (marker, version, dock_marker, areas) == (0xFF, 0, 0xFD, 2)
    position, _, _, panels, rest = read_area(rest)
    assert (position, list(panels)) == (LEFT, [panel["Name"] for panel in LAYOUT["Panels"]])
    position, (width, height), orientation, images, rest = read_area(rest)
    assert (position, orientation, list(images)) == (TOP, HORIZONTAL, IMAGES)
    assert width == WINDOW["Width"]
    assert height > WINDOW["Height"] / 2
    assert all(width > WINDOW["Width"] / 3.1 for width in images.values())
    (view_width, view_height), rest = read("ii", rest)
    assert view_width * view_height < WINDOW["Width"] * WINDOW["Height"] / 20  # the 3D view
    _, rest = read("iiii", rest)  # whom the corners belong to
    (marker, *_), rest = read("Biii", rest)
    assert (marker, read_name(rest)[0]) == (0xFC, "Tools")


def test_nothing_depends_on_tf():
    """Otherwise RViz reports `Global Status: Warn` unless somebody publishes frames, whatever the fixed frame."""
    assert LAYOUT["Visualization Manager"]["Transformation"] == {"Current": {"Class": "rviz_common/Identity"}}


def test_the_mouse_turns_the_3d_view():
    """RViz starts with the tools that the file lists, and with none if it lists none."""
    assert {"Class": "rviz_default_plugins/MoveCamera"} in LAYOUT["Visualization Manager"]["Tools"]


def test_docks_are_not_hidden():
    """RViz reads both into a variable that it does not initialize."""
    assert [WINDOW["Hide Left Dock"], WINDOW["Hide Right Dock"]] == [False, False]


def test_qt_restores_the_window_state(monkeypatch):
    """In a window with the parts of rviz_common's VisualizationFrame, created in its order."""
    monkeypatch.setenv("QT_QPA_PLATFORM", os.environ.get("QT_QPA_PLATFORM", "offscreen"))
    widgets = pytest.importorskip("PyQt5.QtWidgets", reason="PyQt5 is not installed; Qt comes with RViz")
    app = widgets.QApplication([])
    window = widgets.QMainWindow()
    view = widgets.QWidget()
    window.setCentralWidget(view)
    window.addToolBar("Tools").setObjectName("Tools")
    docks = []
    for name in [*reversed(IMAGES), *(panel["Name"] for panel in LAYOUT["Panels"])]:
        docks.append(widgets.QDockWidget(name))
        docks[-1].setObjectName(name)
        docks[-1].setWidget(widgets.QWidget())
        window.addDockWidget(1, docks[-1])  # Qt::LeftDockWidgetArea, where RViz adds all
    window.resize(WINDOW["Width"], WINDOW["Height"])
    assert window.restoreState(STATE)
    window.show()
    app.processEvents()
    images = {dock.windowTitle(): dock.geometry() for dock in docks if dock.windowTitle() in IMAGES}
    assert sorted(images, key=lambda name: images[name].x()) == IMAGES
    assert len({image.y() for image in images.values()}) == 1
    assert all(image.width() > window.width() / 3.1 for image in images.values())
    assert all(image.height() > window.height() / 2 for image in images.values())
    assert view.width() * view.height() < window.width() * window.height() / 10
