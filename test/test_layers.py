"""Who may import what: the layers of the package, read from the source of every module."""

import ast
import functools
import sys
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

import pytest

PACKAGE = "bisenetformer_ros"
SOURCE = Path(__file__).resolve().parents[1] / PACKAGE
MODULES = sorted(PurePosixPath(path.relative_to(SOURCE).as_posix()) for path in SOURCE.rglob("*.py"))

ROS_PACKAGES = {"rclpy", "cv_bridge", "std_srvs", "launch", "launch_ros", "ament_index_python", "rosbag2_py"}

# Library -> who alone may import it: folders, or single modules.
LIBRARIES = {
    "mcap": {"bags"},
    "onnxruntime": {"inference/engines/onnxruntime.py", "inference/graph/int8.py"},
    "openvino": {"inference/engines/openvino.py"},
    "pooch": {"models/fetch.py"},
    "requests": {"models/fetch.py"},
    "rosbags": {"bags"},
    "tensorrt": {"inference/engines/tensorrt/engine.py"},
    "wandb": {"training/observers.py"},
    "torchvision": {"inference/gpu_jpeg.py"},
    "triton": {"inference/fused.py", "inference/kernels.py"},
    "zstandard": {"bags"},
}

# Part of the package -> who else may import it: folders, or single modules.
IMPORTERS = {
    "ros": {"cli/node.py", "cli/doctor.py", "cli/export.py"},
    "cli": set(),
    "model": {"benchmark", "cli", "inference", "models", "training"},
}

# What runs on a robot, the engine builder in the background (`bisenetformer export` and `build-engine`) included.
DEPLOYMENT = {
    "bags",
    "geometry",
    "images",
    "inference",
    "metrics",
    "model",
    "models",
    "ros",
    "cli/__main__.py",
    "cli/arguments.py",
    "cli/build_engine.py",
    "cli/doctor.py",
    "cli/download.py",
    "cli/export.py",
    "cli/models.py",
    "cli/node.py",
    "cli/progress.py",
    "cli/segment.py",
}
NOT_DEPLOYED = ("training", "data", "streets")

MODEL_MAY_IMPORT = {
    "torch",
    *(f"{PACKAGE}.{part}" for part in ("atomic_write", "errors", "file_names", "labels", "metadata", "model")),
    f"{PACKAGE}.resources",
}


def imports_of(source: str, package: str) -> Iterator[str]:
    """The absolute dotted name of everything that a module of `package` imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


@functools.cache
def imports_of_module(module: PurePosixPath) -> list[str]:
    package = ".".join([PACKAGE, *module.parent.parts])
    return list(imports_of((SOURCE / module).read_text(encoding="utf-8"), package))


def violations(forbidden: Callable[[PurePosixPath, str], bool]) -> list[str]:
    """`module imports name` for every import that `forbidden(module, name)` objects to."""
    found = []
    for module in MODULES:
        found += [f"{module} imports {name}" for name in imports_of_module(module) if forbidden(module, name)]
    return found


def is_in(module: PurePosixPath, places: set[str]) -> bool:
    return any(module == PurePosixPath(place) or PurePosixPath(place) in module.parents for place in places)


def is_within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def is_ros(name: str) -> bool:
    top = name.split(".")[0]
    return top in ROS_PACKAGES or top.endswith(("_msgs", "_interfaces")) or is_within(name, f"{PACKAGE}.msg")


def is_standard(name: str) -> bool:
    return name.split(".")[0] in sys.stdlib_module_names


def test_only_the_ros_layer_knows_ros() -> None:
    assert violations(lambda module, name: is_ros(name) and not is_in(module, {"ros"})) == []


@pytest.mark.parametrize("part", IMPORTERS)
def test_a_part_is_imported_by_its_users_alone(part: str) -> None:
    allowed = IMPORTERS[part] | {part}
    assert violations(lambda module, name: is_within(name, f"{PACKAGE}.{part}") and not is_in(module, allowed)) == []


def test_deployment_imports_neither_training_nor_data() -> None:
    def forbidden(module: PurePosixPath, name: str) -> bool:
        deployed = is_in(module, DEPLOYMENT) or len(module.parts) == 1
        return deployed and is_within(name, *(f"{PACKAGE}.{part}" for part in NOT_DEPLOYED))

    assert violations(forbidden) == []


def test_dependencies_only_point_down() -> None:
    """The modules and folders of every folder can be put in an order in which each imports only those before it."""
    graphs: dict[str, dict[str, set[str]]] = {}
    for module in MODULES:
        for name in imports_of_module(module):
            if (target := module_of(name)) is not None:
                folder, importer, imported = where_they_part(module, target)
                graphs.setdefault(folder, {}).setdefault(importer, set()).add(imported)
    circles = {}
    for folder, graph in graphs.items():
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circles[folder] = error.args[1]
    assert circles == {}


def module_of(name: str) -> PurePosixPath | None:
    """The module of the package that an import of the dotted `name` runs; None for another package."""
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return None
    for end in range(len(parts), 0, -1):
        path = PurePosixPath(*parts[1:end])
        for candidate in (path.with_name(f"{path.name}.py") if path.parts else None, path / "__init__.py"):
            if candidate in MODULES:
                return candidate
    return None  # generated from msg/


def where_they_part(importer: PurePosixPath, imported: PurePosixPath) -> tuple[str, str, str]:
    """The deepest folder that holds both modules, and what of it each of them is or lies in."""
    shared = 0
    while importer.parts[shared] == imported.parts[shared] and shared + 1 < min(
        len(importer.parts), len(imported.parts)
    ):
        shared += 1
    return "/".join(importer.parts[:shared]), importer.parts[shared], imported.parts[shared]


def test_the_model_needs_torch_alone() -> None:
    def forbidden(module: PurePosixPath, name: str) -> bool:
        allowed = MODEL_MAY_IMPORT | ({"safetensors"} if module.name == "checkpoint.py" else set())
        return is_in(module, {"model"}) and not is_standard(name) and not is_within(name, *allowed)

    assert violations(forbidden) == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_imported_in_its_own_place(library: str) -> None:
    assert violations(lambda module, name: is_within(name, library) and not is_in(module, LIBRARIES[library])) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import rclpy.node", ["rclpy.node"]),
        (
            "def f():\n    from sensor_msgs.msg import Image, CameraInfo",
            ["sensor_msgs.msg.Image", "sensor_msgs.msg.CameraInfo"],
        ),
        ("from bisenetformer_ros import ros", ["bisenetformer_ros.ros"]),
        ("from . import torch", ["bisenetformer_ros.model.torch"]),
        ("from ..inference.tiles import MaskTiles", ["bisenetformer_ros.inference.tiles.MaskTiles"]),
    ],
)
def test_imports_are_found_in_every_form(source: str, expected: list[str]) -> None:
    assert list(imports_of(source, package="bisenetformer_ros.model")) == expected
