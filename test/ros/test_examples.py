"""The examples that talk to a node, each as a process beside a real node; test_nav2_example.py has those for Nav2."""

import re
import shlex
import shutil
from pathlib import Path

import cv2
import yaml
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.labels import LabelMap

EXAMPLES = Path(__file__).parents[2] / "examples"
SHORTER = {"iterations": 2, "validate_every": 2, "batch_size": 2, "crop_size": [64, 64], "num_points": 32}


def test_subscribe_segments_prints_instances_and_stuff(graph, start, start_node, weights):
    """With these thresholds random weights yield segments."""
    node = start_node({"model": str(weights), "score_threshold": "0.0", "overlap_threshold": "0.0"})
    graph.wait_until_active(node)
    printer = start(str(EXAMPLES / "subscribe_segments.py"))
    names = "|".join(label.name for label in LabelMap.load("camvid11"))
    segment = rf"({names}) (#\d+ \(score [01]\.\d\d, \d+x\d+ px at \d+, \d+\)|\(\d+ px\))"
    line = re.compile(rf"^\d+\.\d{{9}} front_camera: {segment}(, {segment})*$", re.MULTILINE)
    with graph.camera() as camera:
        graph.wait_for(lambda: line.search(printer.output()) or not printer.alive(), "a line of a frame", camera.send)
    assert line.search(printer.output()), printer.output()


def test_custom_dataset_leads_from_pngs_to_a_node(graph, start, tmp_path, monkeypatch):
    """By the commands of its page, with fewer iterations."""
    shutil.copytree(EXAMPLES / "custom_dataset", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    recipe = yaml.safe_load(Path("yard-nano.yaml").read_text())
    assert SHORTER.keys() <= recipe.keys()
    Path("yard-nano.yaml").write_text(yaml.safe_dump(recipe | SHORTER))
    blocks = re.findall(r"```bash\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    commands = [words for block in blocks for line in block.splitlines() if (words := shlex.split(line, comments=True))]
    (_, *make), *offline, (_, *node) = commands
    maker = start(*make)
    graph.wait_for(lambda: not maker.alive(), "the pictures")
    assert maker.stop() == 0, maker.output()
    assert [main(arguments) for _, *arguments in offline] == [0, 0, 0]
    segmenter = start("-m", "bisenetformer_ros.cli", *node, "-r", "__node:=yard")
    masks = graph.collect(Image, "/yard/mask")
    labels = graph.collect(LabelInfo, "/yard/label_info", graph.latched)
    rgb = cv2.imread(str(min(Path("yard/images/val").iterdir())))[..., ::-1]
    height, width, _ = rgb.shape
    with graph.camera("/camera/image_raw") as camera:
        graph.wait_for(
            lambda: (masks and labels) or not segmenter.alive(),
            "a mask of the trained network",
            lambda: camera.send(size=(height, width), data=rgb.tobytes()),
        )
    assert segmenter.alive(), segmenter.output()
    assert (masks[0].height, masks[0].width) == (height, width)
    names = [entry.class_name for entry in labels[0].class_map]
    assert names == ["drivable", "obstacle", "vehicle", "person", "sky", "unlabeled"]
