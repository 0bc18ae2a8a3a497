"""Every place that offers engines and precisions offers those of the table, and no others."""

import argparse
import re
import runpy
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from bisenetformer_ros.cli.arguments import add_model_arguments
from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.engines.capabilities import ENGINE_PRECISIONS, ENGINES, PRECISIONS, check_precision
from bisenetformer_ros.inference.engines.plan import FILE_ENGINES
from bisenetformer_ros.ros.node.settings import SETTINGS

ROOT = Path(__file__).parents[3]


def precisions_on(engine: str, device: str) -> set[str]:
    return set(ENGINE_PRECISIONS[engine].get(device, ()))


def test_the_node_and_the_commands_offer_every_engine_and_precision() -> None:
    settings = {setting.name: setting.choices for setting in SETTINGS}
    assert (settings["engine"], settings["precision"]) == (ENGINES, PRECISIONS)
    parser = argparse.ArgumentParser()
    add_model_arguments(parser)
    choices = {action.dest: action.choices for action in parser._actions}
    assert (choices["engine"], choices["precision"]) == (ENGINES, PRECISIONS)


def test_the_launch_file_offers_what_the_node_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read with stand-ins for launch, which comes with a ROS installation only."""
    pytest.importorskip("ament_index_python", reason="ROS 2 is not sourced: source tools/env.sh")
    parts = (".actions", ".conditions", ".events", ".events.process", ".logging", ".substitutions", ".utilities")
    for name in ("", *parts):
        monkeypatch.setitem(sys.modules, f"launch{name}", MagicMock())
    for name in ("actions", "parameter_descriptions", "substitutions", "utilities"):
        monkeypatch.setitem(sys.modules, f"launch_ros.{name}", MagicMock())
    parameters = runpy.run_path(str(ROOT / "launch" / "segment.launch.py"))["PARAMETERS"]
    assert parameters["engine"].endswith(": " + ", ".join(ENGINES))
    assert parameters["precision"].endswith(": " + ", ".join(PRECISIONS))


def test_the_page_on_engines_names_the_precisions_of_each() -> None:
    introduction = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8").partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \|", introduction, re.MULTILINE)
    documented = {engine: (devices, precisions) for engine, devices, precisions in rows}
    assert documented.keys() == ENGINE_PRECISIONS.keys()
    for engine, (devices, precisions) in documented.items():
        assert set(devices.lower().split(", ")) == ENGINE_PRECISIONS[engine].keys()
        everywhere, _, on_cuda = precisions.partition("; ")
        common = set(re.findall(r"[a-z]+\d+", everywhere))
        extra = set(re.findall(r"[a-z]+\d+", on_cuda))
        for device in ENGINE_PRECISIONS[engine]:
            assert common | (extra if device == "cuda" else set()) == precisions_on(engine, device)


def test_every_precision_is_supported_somewhere_and_engines_with_files_run_on_their_devices() -> None:
    supported = {precision for devices in ENGINE_PRECISIONS.values() for each in devices.values() for precision in each}
    assert supported == set(PRECISIONS) - {"auto"}
    assert all(device in ENGINE_PRECISIONS[name] for device, names in FILE_ENGINES.items() for name in names)


@pytest.mark.parametrize(
    ("engine", "device", "precision", "words"),
    [
        (
            "torch",
            "cpu",
            "int8",
            "auto, fp32, bf16; for int8 on cpu set engine to onnxruntime or openvino",
        ),
        ("tensorrt", "cuda:1", "bf16", "expected one of auto, fp32, fp16, int8; for bf16 on cuda set engine to torch"),
        ("openvino", "cpu", "fp8", "expected one of auto, fp32, bf16, int8$"),
    ],
)
def test_an_unsupported_precision_is_an_error_that_names_what_supports_it(
    engine: str, device: str, precision: str, words: str
) -> None:
    with pytest.raises(EngineError, match=words):
        check_precision(engine, device, precision)
