import subprocess
import sys
from pathlib import Path

import pytest
from printed_commands import distributions

from bisenetformer_ros import cli
from bisenetformer_ros.cli.__main__ import COMMANDS, PACKAGES, build_parser, main
from bisenetformer_ros.resources import SHIPPED_MODEL

EXAMPLE_COMMAND = """
import importlib

from bisenetformer_ros.errors import InputError

DESCRIPTION = "Fails as told."
EXAMPLE = "bisenetformer convert nothing"

def add_arguments(parser):
    parser.add_argument("--module", default="onnxscript")
    parser.add_argument("--how", choices=("well", "known", "file", "package", "bug"), default="well")

def run(args):
    if args.how == "known":
        raise InputError("expected a street, got a lake")
    if args.how == "file":
        raise FileNotFoundError(2, "No such file or directory", "lake.png")
    if args.how == "package":
        importlib.import_module(args.module)
    if args.how == "bug":
        raise RuntimeError("a defect")
    return 1
"""


@pytest.fixture
def toy_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A command in a file of its own, beside the real ones; returns its name."""
    (tmp_path / "toy.py").write_text(EXAMPLE_COMMAND, encoding="utf-8")
    monkeypatch.setattr(cli, "__path__", [*cli.__path__, str(tmp_path)])
    monkeypatch.setattr("bisenetformer_ros.cli.__main__.COMMANDS", (*COMMANDS, ("toy", "fail as told")))
    yield "toy"
    sys.modules.pop("bisenetformer_ros.cli.toy", None)


def run_to_exit(*argv: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    return caught.value.code


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_to_exit("--help") == 0
    listed = capsys.readouterr().out
    for name, summary in COMMANDS:
        assert name in listed
        assert summary in " ".join(listed.split())


@pytest.mark.parametrize("name", [name for name, _ in COMMANDS])
def test_every_command_explains_itself_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_to_exit(name, "--help") == 0
    assert f"bisenetformer {name} " in capsys.readouterr().out.split("example:\n")[1]


def test_commands_have_the_same_model_by_default() -> None:
    required = {"node": [], "doctor": [], "demo": [], "benchmark": [], "evaluate-bag": ["b"], "segment": ["a"]}
    defaults = {
        name: vars(build_parser(name).parse_args([name, *args])).get("model") for name, args in required.items()
    }
    assert {name for name, model in defaults.items() if model} >= {"demo", "benchmark", "evaluate-bag", "segment"}
    assert set(defaults.values()) <= {SHIPPED_MODEL, None}


@pytest.mark.parametrize("argv", [[], ["sail"], ["--sail"]])
def test_misuse_exits_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_to_exit(*argv) == 2
    assert "usage: bisenetformer" in capsys.readouterr().err


def test_the_exit_code_is_that_of_the_command(toy_command: str) -> None:
    assert main([toy_command]) == 1


@pytest.mark.parametrize(
    ("how", "message"),
    [("known", "expected a street, got a lake"), ("file", "[Errno 2] No such file or directory: 'lake.png'")],
)
def test_expected_errors_print_a_message_and_exit_with_2(
    toy_command: str, how: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([toy_command, "--how", how]) == 2
    assert capsys.readouterr().err == f"bisenetformer toy: error: {message}\n"


def test_a_missing_package_is_named_and_exits_with_2(
    toy_command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)  # Python takes it for one that is not installed
    assert main([toy_command, "--how", "package"]) == 2
    told = capsys.readouterr().err
    assert "toy: error: onnxscript is missing: `pip install onnxscript" in told


@pytest.mark.parametrize("module", ["rclpy", "sensor_msgs", "bisenetformer_ros.msg"])
def test_a_missing_ros_module_exits_with_2_and_a_hint(
    module: str, toy_command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert main([toy_command, "--how", "package", "--module", module]) == 2
    assert f"toy: error: {module} is missing: source a ROS 2 installation" in capsys.readouterr().err


def test_the_packages_of_the_message_are_those_of_setup() -> None:
    assert set(PACKAGES.values()) <= distributions()


def test_defects_keep_their_traceback(toy_command: str) -> None:
    with pytest.raises(RuntimeError, match="a defect"):
        main([toy_command, "--how", "bug"])


def test_listing_commands_loads_none_of_them() -> None:
    script = (
        "import sys; from bisenetformer_ros.cli.__main__ import build_parser; "
        "build_parser(selected=None); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
