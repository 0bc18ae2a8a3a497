"""Every command that a message prints is complete: it parses, and those for this machine do what the message says."""

import ast
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from documents import ROOT
from printed_commands import FIELD, PROGRAMS, check, commands_in
from rosbags.rosbag1 import Writer
from rosbags.typesys import Stores, get_typestore
from small_graph import write_graph

from bisenetformer_ros import __version__
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.cli.__main__ import COMMANDS, main
from bisenetformer_ros.commands import assignment, ours, pip_install, quoted
from bisenetformer_ros.errors import EngineError, InputError, ModelError
from bisenetformer_ros.inference.engines.opening import open_engine
from bisenetformer_ros.inference.engines.tensorrt.sidecar import Sidecar
from bisenetformer_ros.inference.graph.contract import GraphInfo

SOURCES = [*(ROOT / "bisenetformer_ros").rglob("*.py"), *(ROOT / "launch").rglob("*.py")]
COMPOSERS = {"ours", "quoted", "pip_install"}


def test_words_survive_the_shell() -> None:
    words = ["printf", "%s|", "it's", "a b", "$HOME", "*.onnx", ""]
    line = quoted(words).strip("`")
    assert subprocess.run(line, shell=True, capture_output=True, text=True).stdout == "it's|a b|$HOME|*.onnx||"


def test_placeholders_are_explained_once() -> None:
    first, second = ("a", "WEIGHTS", "--calibrate", "IMAGES"), ("b", "WEIGHTS")
    assert quoted(first, second) == (
        "`a WEIGHTS --calibrate IMAGES && b WEIGHTS` (WEIGHTS: the weights file; IMAGES: a folder of images like the "
        "camera's)"
    )
    assert ours("segment", "a.jpg") == "`bisenetformer segment a.jpg`"


def test_a_command_that_is_not_on_path_runs_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a venv that is not active."""
    monkeypatch.setenv("PATH", str(tmp_path))
    line = ours("--version").strip("`")
    result = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True)
    assert (result.stdout, result.returncode) == (f"bisenetformer_ros {__version__}\n", 0)
    (tmp_path / "bisenetformer").touch(mode=0o755)
    assert ours("--version") == "`bisenetformer --version`"


def test_pip_leaves_numpy_1_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ubuntu 22.04 and 24.04 build OpenCV and ROS for numpy 1."""
    monkeypatch.setattr(np, "__version__", "1.26.4")
    assert pip_install("onnx") == "`pip install onnx 'numpy<2'`"
    monkeypatch.setattr(np, "__version__", "2.0.0")
    assert pip_install("onnx") == "`pip install onnx`"


@pytest.mark.parametrize(
    ("value", "text"),
    [(False, "false"), (0.5, "0.5"), (["left", "right"], '["left", "right"]'), ("nano", "nano")],
)
def test_parameters_are_written_as_ros_reads_them(value: object, text: str) -> None:
    assert assignment("name", value) == f"name:={text}"


def strings_in(file: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield line, text and whether it is an EXAMPLE of all strings but docstrings; fields become FIELD."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    passed_over, examples = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            passed_over.add(node.value)
        if isinstance(node, ast.JoinedStr):
            passed_over.update(node.values)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLE":
            examples.update(ast.walk(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(v.value if isinstance(v, ast.Constant) else FIELD for v in node.values), False
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in passed_over:
            yield node.lineno, node.value, node in examples


EXAMPLES = {
    f"{file.stem}:{line}": line
    for file in SOURCES
    for _, text, is_example in strings_in(file)
    if is_example
    for line in text.replace("\\\n", " ").splitlines()
}


@pytest.mark.parametrize("line", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_examples_parse(line: str) -> None:
    words = shlex.split(line)
    if words[0] == "torchrun":
        words = ["bisenetformer", *words[words.index("bisenetformer_ros.cli") + 1 :]]
    assert words[0] == "bisenetformer"
    check(words)


def test_every_other_command_is_composed_in_one_place_or_complete() -> None:
    """A command with arguments in a literal stands in backquotes and is taken as it is."""
    loose = re.compile(rf"\b(bisenetformer ({'|'.join(name for name, _ in COMMANDS)})|pip install|ros2 [a-z]+) +[^\s`]")
    found = []
    for file in SOURCES:
        for line, text, is_example in strings_in(file):
            if is_example or file.name == "commands.py":
                continue
            for words in commands_in(text):
                check(words)
            if loose.search(re.sub(r"`[^`]*`", "", text)):
                found.append(f"{file.relative_to(ROOT)}:{line}: {text}")
    assert found == []


def test_composed_commands_have_known_options() -> None:
    calls = 0
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in COMPOSERS):
                continue
            calls += 1
            words = [a.value for a in node.args if isinstance(a, ast.Constant)]
            if node.func.id == "pip_install" and words:
                check(["pip", "install", *words])
            if node.func.id == "ours":
                assert words[0] in dict(COMMANDS), f"{file}:{node.lineno}"
    assert calls >= 20


@pytest.fixture
def yard(semantic_weights: Path, tmp_path: Path) -> Path:
    """A folder, with a blank and an apostrophe in its name, of weights whose file is not named as the model."""
    folder = tmp_path / "the yard's graphs"
    folder.mkdir()
    shutil.copy(semantic_weights, folder / "wh 2.safetensors")
    return folder


def run(message: str) -> str:
    """Run the commands in a message; return the file that the last one writes."""
    commands = commands_in(message)
    assert commands, message
    for words in commands:
        check(words)
        assert main(words[1:]) == 0
    return commands[-1][3]


def test_the_commands_for_another_task_and_another_size_export_what_is_missing(yard: Path) -> None:
    graph = yard / "small.onnx"
    assert main(["export", str(yard / "wh 2.safetensors"), str(graph), "--size", "32x64", "--task", "semantic"]) == 0
    with pytest.raises(EngineError, match="expected the panoptic task; export one: ") as error:
        open_engine(graph, "panoptic", "onnxruntime")
    panoptic = open_engine(run(str(error.value)), "panoptic", "onnxruntime")
    assert panoptic.frame_size == (32, 64)
    with pytest.raises(EngineError, match="export one for this size: ") as error:
        panoptic.segment([np.zeros((64, 64, 3), np.uint8)], 0.5, 0.5)
    other = open_engine(run(str(error.value)), "panoptic", "onnxruntime")
    assert len(other.segment([np.zeros((64, 64, 3), np.uint8)], 0.5, 0.5)) == 1
    assert len(list(yard.glob("*.onnx"))) == 3

    (yard / "wh 2.safetensors").unlink()
    with pytest.raises(EngineError, match=r"`bisenetformer export WEIGHTS .*` \(WEIGHTS: the weights file\)") as error:
        open_engine(graph, "panoptic", "onnxruntime")
    assert [check(words) for words in commands_in(str(error.value))] == [None]


def test_the_command_for_weights_without_a_graph_builds_one(
    yard: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache of graphs"))
    weights = yard / "wh 2.safetensors"
    with pytest.raises(EngineError, match="build one for the size") as error:
        open_engine(weights, "semantic", "onnxruntime", "cpu")
    (words,) = commands_in(str(error.value))
    assert main([word.replace("480x640", "32x64") for word in words[1:]]) == 0
    engine = open_engine(weights, "semantic", "onnxruntime", "cpu")
    with pytest.raises(EngineError, match="build it: ") as error:
        engine.segment([np.zeros((64, 32, 3), np.uint8)], 0.5, 0.5)
    run(str(error.value))
    assert len(engine.segment([np.zeros((64, 32, 3), np.uint8)], 0.5, 0.5)) == 1


def test_what_is_no_graph_gets_an_example_with_the_shipped_model(tmp_path: Path) -> None:
    path = tmp_path / "my graph.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="for example ") as error:
        GraphInfo.load(path)
    with pytest.raises(ModelError, match="for example ") as without_metadata:
        GraphInfo.from_strings({})
    for message in (str(error.value), str(without_metadata.value)):
        (words,) = commands_in(message)
        check(words)
        assert words[2] == "bisenetformer-nano-camvid"


def test_the_commands_of_tensorrt_parse(tmp_path: Path) -> None:
    graph = write_graph(tmp_path / "my graph.onnx", "fp16", dynamic_batch=False)
    messages = []
    with pytest.raises(EngineError) as error:
        open_engine(graph, "semantic", "tensorrt")
    messages.append(str(error.value))
    for name in ("my graph.engine", "another.engine"):
        with pytest.raises(EngineError, match=r"no engine file at .*; build it: ") as error:
            Sidecar.load(tmp_path / name)
        messages.append(str(error.value))
    graphs = [commands_in(message)[0][2] for message in messages]
    assert graphs == [str(graph), str(graph), "GRAPH"]
    for message in messages:
        check(commands_in(message)[0])


def test_the_command_for_a_bag_of_ros1_converts_it(tmp_path: Path) -> None:
    path = tmp_path / "the day's drive.bag"
    store = get_typestore(Stores.ROS1_NOETIC)
    with Writer(path) as writer:
        connection = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        text = store.types["std_msgs/msg/String"](data="hello")
        writer.write(connection, 1, store.serialize_ros1(text, "std_msgs/msg/String"))
    with pytest.raises(InputError, match="a bag of ROS 1") as error:
        Bag(path)
    (words,) = commands_in(str(error.value))
    assert words[0] in PROGRAMS
    subprocess.run(words, check=True, capture_output=True)
    with Bag(Path(words[-1])) as bag:
        assert [(topic.name, topic.count) for topic in bag.topics] == [("/chatter", 1)]


def test_the_command_for_a_cut_recording_names_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "the day's drive.mcap"
    assert main(["make-bag", "drive:7", str(tmp_path / "bag"), "--frames", "2"]) == 0
    whole = next((tmp_path / "bag").glob("*.mcap")).read_bytes()
    path.write_bytes(whole[:-40])
    with Bag(path) as bag:
        (words,) = [words for note in bag.notes for words in commands_in(note)]
    check(words)
    assert (words[2], words[4]) == (str(path), str(tmp_path / "the day's drive_recovered.mcap"))
