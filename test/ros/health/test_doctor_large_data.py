"""The doctor beside a camera and a node with LARGE_DATA, whose TCP connections Fast DDS 3.2 may wait for at the end."""

from pathlib import Path

from patience import until

CAMERA = Path(__file__).parents[1] / "camera.py"
LARGE_DATA = {"FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA"}


def test_the_doctor_ends(start, start_node, weights):
    camera = start(str(CAMERA), "5", **LARGE_DATA)
    node = start_node({"model": str(weights), "task": "semantic", "engine": "torch"}, **LARGE_DATA)
    reports: list[str] = []

    def sees_images() -> bool:
        doctor = start("-m", "bisenetformer_ros.cli", "doctor", "--seconds", "2", **LARGE_DATA)
        until(lambda: not doctor.alive(), lambda: f"the doctor does not end:\n{doctor.output()}")
        reports.append(doctor.output())
        return "frames segmented in" in reports[-1] and "segmenting at" in reports[-1]

    until(sees_images, lambda: "\n".join(reports))
    for process in (camera, node):
        process.stop()  # whatever the exit code: the node has a limit for the middleware
