"""Commands in messages, and whether the programs that they name take them."""

import re
import runpy
import shlex
from collections.abc import Sequence
from unittest.mock import patch

from documents import ROOT

from bisenetformer_ros.cli.__main__ import build_parser
from bisenetformer_ros.ros.node.settings import SETTINGS

ELSEWHERE = {"tensorrt", "onnxruntime-gpu", "wandb"}
"""Packages that no extra of setup.py requires."""
FIELD = "/FIELD"
TRANSITIONS = ("configure", "cleanup", "activate", "deactivate", "shutdown")
PROGRAMS = ("bisenetformer", "pip", "ros2", "mcap", "rosbags-convert")


def commands_in(message: str) -> list[list[str]]:
    """Return the commands with arguments in `code`, as a shell splits them."""
    lines = [line for code in re.findall(r"`([^`]+)`", message) for line in code.split(" && ")]
    commands = [shlex.split(line) for line in lines if line.split()[0] in PROGRAMS]
    return [words for words in commands if len(words) > 2]


def check(words: Sequence[str]) -> None:
    """Assert that the program takes the command; of programs that are not installed here, by their documentation.

    FIELD stands for any word, COMMAND for each of ours.
    """
    program, *arguments = words
    if arguments == ["COMMAND", "--help"]:
        return
    if program == "bisenetformer":
        build_parser(selected=arguments[0]).parse_args(arguments)
    elif program == "pip":
        assert arguments[0] == "install"
        assert {argument.partition("<")[0] for argument in arguments[1:]} <= distributions() | ELSEWHERE, words
    elif program == "mcap":
        assert (arguments[0], arguments[2], len(arguments)) == ("recover", "-o", 4), words
    elif program == "ros2" and arguments[0] == "launch":
        assert arguments[1:3] == ["bisenetformer_ros", "segment.launch.py"], words
        launch_file = (ROOT / "launch" / "segment.launch.py").read_text(encoding="utf-8")
        assert all(f'"{argument.partition(":=")[0]}"' in launch_file for argument in arguments[3:]), words
    elif program == "ros2" and arguments[0] == "bag":
        assert arguments == ["bag", "play", "BAG", "--clock"], words
    elif program == "ros2" and arguments[0] == "run":
        assert arguments == ["run", "rmw_zenoh_cpp", "rmw_zenohd"], words
    elif program == "ros2" and arguments[1] == "list":
        assert (arguments[0], arguments[2][0], len(arguments)) == ("param", "/", 3), words
    elif program == "ros2":
        kind, verb, node, what, *value = arguments
        assert verb == "set", words
        assert node.startswith("/"), words
        known = TRANSITIONS if kind == "lifecycle" else [*(setting.name for setting in SETTINGS), "use_sim_time"]
        assert what in (*known, FIELD), words
        assert len(value) == (kind == "param"), words


def distributions() -> set[str]:
    """Return what setup.py requires, with and without extras."""
    with patch("setuptools.setup") as setup:
        runpy.run_path(str(ROOT / "setup.py"))
    asked = setup.call_args.kwargs
    requirements = [*asked["install_requires"], *(one for extra in asked["extras_require"].values() for one in extra)]
    return {re.match(r"[\w-]+", requirement)[0] for requirement in requirements}
