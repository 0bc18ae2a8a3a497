"""Commands on the project's pages parse, and links, paths and quoted messages exist.

test/cli/test_documented_commands.py runs the commands that need nothing special.
"""

import argparse
import ast
import re
import shlex
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from documents import PAGES, ROOT, Command, anchors, blocks, commands, links, paths, prose, text_of

from bisenetformer_ros.cli.__main__ import COMMANDS, build_parser
from bisenetformer_ros.ros.node.settings import SETTINGS

PARAMETERS = {setting.name: setting for setting in SETTINGS}
LAUNCH_FILE = (ROOT / "launch" / "segment.launch.py").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
MESSAGE_TABLES = {
    "docs/troubleshooting.md": "| symptom | message | reported by | fix |",
    "docs/engines.md": "| problem | message | fix |",
}
EVERYTHING = [command for page in PAGES for command in commands(page)]


def starting_with(*programs: str) -> list[Command]:
    return [command for command in EVERYTHING if command.words[: len(programs)] == programs]


def cli_arguments(command: Command) -> list[str] | None:
    """Return the arguments of `bisenetformer`, whichever way it is started; None for other programs."""
    words = list(command.words)
    if words[0] == "bisenetformer":
        return words[1:]
    return words[words.index("bisenetformer_ros.cli") + 1 :] if "bisenetformer_ros.cli" in words else None


def check_ros_arguments(arguments: list[str]) -> None:
    """Assert that the node declares the parameters and accepts their values."""
    for flag, value in pairwise(arguments):
        name, assigned, text = value.partition(":=")
        if flag != "-p" or name.startswith("qos_overrides.") or name == "use_sim_time":
            continue
        assert assigned, f"expected NAME:=VALUE, got {value}"
        assert name in PARAMETERS, f"the node has no parameter {name}"
        assert isinstance(PARAMETERS[name].default, tuple) or not PARAMETERS[name].problem(text)


@pytest.mark.parametrize("command", [c for c in EVERYTHING if cli_arguments(c) is not None], ids=str)
def test_our_command_line_takes_it(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = cli_arguments(command)
    try:
        parsed = build_parser(selected=arguments[0]).parse_args(arguments)
    except SystemExit:
        pytest.fail(capsys.readouterr().err)
    check_ros_arguments(vars(parsed).get("ros_args", []))


@pytest.mark.parametrize("command", starting_with("make"), ids=str)
def test_make_has_the_target(command: Command) -> None:
    targets = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()
    for word in command.words[1:]:
        name, is_variable, _ = word.partition("=")
        assert f"({name})" in MAKEFILE or f"{name} ?=" in MAKEFILE if is_variable else name in targets


@pytest.mark.parametrize("command", starting_with("ros2", "launch", "bisenetformer_ros"), ids=str)
def test_the_launch_file_has_the_arguments(command: Command) -> None:
    tables = re.findall(r"^(?:PARAMETERS|ARGUMENTS) = \{(.*?)^\}", LAUNCH_FILE, re.MULTILINE | re.DOTALL)
    known = re.findall(r'^    "(\w+)":', "".join(tables), re.MULTILINE)
    assert command.words[3] == "segment.launch.py"
    for name in (word.partition(":=")[0] for word in command.words[4:] if ":=" in word):
        assert name in known, f"the launch file has no argument {name}, it has {known}"


@pytest.mark.parametrize("command", starting_with("ros2", "run", "bisenetformer_ros"), ids=str)
def test_the_node_has_the_parameters(command: Command) -> None:
    assert command.words[3] in ("segmentation_node", "projection_node")
    check_ros_arguments(list(command.words[4:]))


@pytest.mark.parametrize("page", PAGES)
def test_what_is_named_in_the_text_exists(page: str) -> None:
    """Commands with their options, make targets, extras, files."""
    for code in re.findall(r"`((?:bisenetformer|make) [^`]+)`", prose(page)):
        words = shlex.split(code.replace("\n", " "))
        if words[0] == "make":
            assert re.search(rf"^\.PHONY:.* {words[1]}\b", MAKEFILE, re.MULTILINE), code
            continue
        assert words[1] in {"COMMAND", *dict(COMMANDS)}, code
        for option in (word.partition("=")[0] for word in words[2:] if word.startswith("--")):
            assert option in options_of(words[1]) | {"--help"}, code
    extras = (ROOT / "setup.py").read_text(encoding="utf-8")
    for names in re.findall(r"bisenetformer_ros\[([\w,]+)\]", text_of(page)):
        assert all(f'"{name}": [' in extras or f'"{name}": ' in extras for name in names.split(",")), names
    assert [path for path in sorted(paths(page)) if not (ROOT / path).exists()] == []


def options_of(name: str) -> set[str]:
    """Return the options of a command."""
    subparsers = next(
        action for action in build_parser(selected=name)._actions if isinstance(action, argparse._SubParsersAction)
    )
    return set(subparsers.choices[name]._option_string_actions)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for file, anchor in links(page):
        assert (ROOT / file).exists(), file
        assert not anchor or anchor in anchors(file), f"{file} has no heading for #{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_blocks_have_a_known_language(page: str) -> None:
    """No test would check the commands in an `sh` block."""
    languages = set(re.findall(r"^```(\w+)$", text_of(page), re.MULTILINE))
    assert languages <= {"bash", "console", "python", "yaml", "json", "ini", "text", "xml"}


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_python_on_a_page_imports_what_exists(page: str) -> None:
    for block in blocks(page, "python"):
        tree = ast.parse(block)
        imports = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
        exec(compile(imports, page, "exec"), {})


@pytest.mark.parametrize(("page", "header"), MESSAGE_TABLES.items())
def test_tables_of_messages_quote_the_program(page: str, header: str) -> None:
    """The source contains each message of the column "message"; `…` stands for what the program fills in."""
    rows = text_of(page).split(header)[1].split("\n\n")[0].splitlines()[2:]
    quoted = [code for row in rows for code in re.findall(r"`([^`]+)`", row.split("|")[2])]
    assert len(quoted) >= 9
    source = "\n".join(constants())
    assert [part for code in quoted for part in code.split("…") if part.strip() and part.strip() not in source] == []


def constants() -> list[str]:
    """Return all strings in the source of the programs, with line breaks in place of replacement fields."""
    found = []
    for file in (file for folder in ("bisenetformer_ros", "launch", "tools") for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(v.value if isinstance(v, ast.Constant) else "\n" for v in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    (unit,) = blocks("docs/deployment.md", "ini")
    path = tmp_path / "segmentation.service"
    path.write_text(unit, encoding="utf-8")
    result = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
