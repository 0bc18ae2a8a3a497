import pytest


@pytest.fixture(scope="module")
def camera(graph, process):
    """A camera on /image_raw. Every module has a fixture `process`, its node."""
    with graph.camera() as camera:
        yield camera
