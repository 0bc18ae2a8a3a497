"""`make setup`: what it refuses and how, which ROS 2 it takes, and that it repeats nothing."""

import ast
import http.server
import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import pytorch
import workspace
from checks import SetupError, check_build_tools, check_python_is_new_enough, check_wheels_exist
from patience import LIMIT_S
from ros import Ros, find_ros
from state import State, digest

from bisenetformer_ros.libraries import OLDEST_EXPORTING_TORCH, OLDEST_TORCH

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
TOOL = ROOT / "tools" / "setup_workspace"


def run_setup(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(checkout / "tools" / "setup_workspace")]
    return subprocess.run(command, env=dict(os.environ, **environment), capture_output=True, text=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of which nothing is set up yet."""
    shutil.copytree(ROOT / "tools", tmp_path / "checkout" / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "checkout"


@pytest.fixture
def no_ros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    monkeypatch.delenv("ROS_DISTRO", raising=False)


def test_an_old_python_is_refused_with_a_way_to_choose_another() -> None:
    with pytest.raises(SetupError, match=r"Python 3\.10 or newer is needed, this is 3\.9.*make setup PYTHON="):
        check_python_is_new_enough((3, 9))
    check_python_is_new_enough((3, 10))


@pytest.mark.parametrize("name", ["__main__.py", "checks.py"])
def test_an_old_python_can_parse_what_refuses_it(name: str) -> None:
    ast.parse((TOOL / name).read_text(encoding="utf-8"), feature_version=(3, 6))


def test_a_python_without_wheels_is_refused() -> None:
    platform = {"system": "Linux", "machine": "x86_64", "glibc": "2.28"}
    with pytest.raises(SetupError, match=r"Python 3\.10 to 3\.13, this is 3\.14.*make setup PYTHON="):
        check_wheels_exist((3, 14), **platform)
    check_wheels_exist((3, 13), **platform)


@pytest.mark.parametrize(
    ("system", "machine", "glibc", "named"),
    [
        ("Linux", "aarch64", "2.35", "Linux aarch64"),
        ("Darwin", "x86_64", "", "Darwin x86_64"),
        ("Linux", "x86_64", "2.27", "'2.27'"),
        ("Linux", "x86_64", "", "''"),
    ],
)
def test_a_platform_without_wheels_is_refused(system: str, machine: str, glibc: str, named: str) -> None:
    with pytest.raises(SetupError, match=re.escape(named) + r".*install ROS 2.*source its setup\.bash"):
        check_wheels_exist((3, 12), system, machine, glibc)


def test_a_missing_compiler_is_named_before_anything_is_made(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_ros: None
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    result = run_setup(checkout, PATH=str(tmp_path))
    assert result.returncode == 1
    assert result.stdout == ""
    assert re.fullmatch(r"make setup: error: a C\+\+ compiler is needed .*build-essential\n", result.stderr)
    assert not (checkout / ".venv").exists()


def test_a_compiler_may_be_named_by_cxx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "my-c++"
    compiler.touch(mode=0o755)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CXX", str(compiler))
    check_build_tools()


def test_a_distribution_without_wheels_is_refused(checkout: Path, no_ros: None) -> None:
    result = run_setup(checkout, ROS_DISTRO="humble")
    assert result.returncode == 1
    assert "ROS_DISTRO=humble: wheels exist for kilted and jazzy" in result.stderr
    assert not (checkout / ".venv").exists()


class TestFindRos:
    def test_a_sourced_installation_is_used(self, tmp_path: Path) -> None:
        overlay, installation = tmp_path / "overlay", tmp_path / "opt" / "ros" / "jazzy"
        (installation / "share" / "rclpy").mkdir(parents=True)
        environ = {"AMENT_PREFIX_PATH": f"{overlay}:{installation}", "ROS_DISTRO": "jazzy"}
        assert find_ros(environ, tmp_path / "checkout", previous=Ros("kilted")) == Ros("jazzy", str(installation))

    def test_the_wheels_of_the_workspace_itself_are_no_installation(self, tmp_path: Path) -> None:
        (tmp_path / ".venv" / "share" / "rclpy").mkdir(parents=True)
        environ = {"AMENT_PREFIX_PATH": f"{tmp_path / 'install'}:{tmp_path / '.venv'}"}
        assert find_ros(environ, tmp_path, previous=None) == Ros("kilted")

    def test_a_distribution_that_is_asked_for_comes_from_wheels(self, tmp_path: Path) -> None:
        assert find_ros({"ROS_DISTRO": "jazzy"}, tmp_path, previous=Ros("kilted")) == Ros("jazzy")

    def test_the_wheels_of_last_time_are_kept(self, tmp_path: Path) -> None:
        assert find_ros({}, tmp_path, previous=Ros("jazzy")) == Ros("jazzy")

    def test_the_installation_of_last_time_has_to_be_sourced(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match=r"not sourced; run source /opt/ros/jazzy/setup\.bash first"):
            find_ros({}, tmp_path, previous=Ros("jazzy", "/opt/ros/jazzy"))


class TestPyTorch:
    """Without an NVIDIA GPU, no build for CUDA is downloaded where a CPU build can be had."""

    @pytest.fixture(autouse=True)
    def no_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "*")

    @pytest.fixture
    def index(self, tmp_path: Path) -> Iterator[str]:
        """An index with a page for torch."""
        (tmp_path / "torch").mkdir()

        def handler(*arguments) -> http.server.SimpleHTTPRequestHandler:
            return http.server.SimpleHTTPRequestHandler(*arguments, directory=str(tmp_path))

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()

    @pytest.mark.parametrize("trace", ["dev/nvidia0", "proc/driver/nvidia"])
    def test_a_gpu_is_known_by_its_driver(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trace: str) -> None:
        monkeypatch.setenv("PATH", "")
        assert not pytorch.has_nvidia_gpu(tmp_path)
        (tmp_path / trace).mkdir(parents=True)
        assert pytorch.has_nvidia_gpu(tmp_path)

    def test_a_gpu_is_known_by_nvidia_smi(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "nvidia-smi").touch(mode=0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert pytorch.has_nvidia_gpu(tmp_path)

    def test_without_a_gpu_the_cpu_builds_are_found(self, index: str) -> None:
        options, choice = pytorch.choose_index(gpu=False, index=index, timeout_s=LIMIT_S)
        assert options == ["--extra-index-url", index]
        assert choice == "no NVIDIA GPU is here: installing PyTorch's CPU build"

    def test_with_a_gpu_the_index_is_not_even_asked(self) -> None:
        options, choice = pytorch.choose_index(gpu=True, index="no address at all")
        assert options == []
        assert "for CUDA" in choice

    def test_an_index_that_cannot_be_reached_is_done_without(self) -> None:
        with socket.socket() as closed:  # bound and not listening: connections are refused
            closed.bind(("127.0.0.1", 0))
            index = f"http://127.0.0.1:{closed.getsockname()[1]}"
            options, choice = pytorch.choose_index(gpu=False, index=index, timeout_s=LIMIT_S)
        assert options == []
        assert f"{index} with PyTorch's CPU builds cannot be reached" in choice
        assert "several GB of CUDA" in choice

    def test_an_index_without_torch_is_done_without(self, index: str) -> None:
        assert not pytorch.is_reachable(f"{index}/none/", timeout_s=LIMIT_S)

    def test_an_index_that_never_answers_is_given_up(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            assert not pytorch.is_reachable(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.5)


@pytest.mark.parametrize(
    ("system", "constraints"),
    [
        ({"numpy": "1.21.5"}, "numpy>=1.21.5,<2\n"),
        (
            {"numpy": "2.4.0", "torch": "2.5.0a0+872d972e41.nv24.8"},
            "torch==2.5.0a0+872d972e41.nv24.8\nnumpy>=2.4.0,<3\n",
        ),
        ({}, ""),
    ],
)
def test_what_the_system_was_built_for_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: dict[str, str], constraints: str
) -> None:
    monkeypatch.setattr(workspace, "VENV", tmp_path)
    assert workspace.write_constraints(system).read_text(encoding="utf-8") == constraints


@pytest.mark.parametrize(
    ("torch", "exports"),
    [(None, True), ("2.8.0", True), ("2.10.0", True), ("2.5.0a0+872d972e41.nv24.8", False), ("2.6.0a0", False)],
)
def test_beside_a_pytorch_that_cannot_export_no_other_one_is_asked_for(torch: str | None, exports: bool) -> None:
    """JetPack 6 has builds that export cannot use; one from PyPI would not see its GPU."""
    assert ("export" in workspace.choose_extras(torch)) == exports
    assert set(workspace.EXTRAS) <= set(workspace.choose_extras(torch))
    assert workspace.OLDEST_EXPORTING_TORCH == OLDEST_EXPORTING_TORCH
    with patch("setuptools.setup"):
        required = runpy.run_path(str(ROOT / "setup.py"))["EXTRAS"]
    assert [name for name in ["dev", *workspace.EXTRAS] if "torch>=2.8" in required[name]] == []


def test_every_lower_bound_has_the_version_that_it_is_tested_with() -> None:
    bounds = set(re.findall(r'"([\w-]+)>=([\d.]+)"', (ROOT / "setup.py").read_text(encoding="utf-8")))
    files = [ROOT / "tools" / "requirements" / name for name in ("oldest.txt", "oldest-torch.txt")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    pins = set(re.findall(r"^([\w-]+)==([\d.]+)", text, re.MULTILINE))
    pinned = {
        (name, bound) for name, bound in bounds for pin, version in pins if pin == name and is_within(version, bound)
    }
    assert pinned == bounds
    assert len(pins) == len(bounds)
    assert {bound for name, bound in bounds if name == "torch"} == {
        "{}.{}".format(*version) for version in (OLDEST_TORCH, OLDEST_EXPORTING_TORCH)
    }


def is_within(version: str, bound: str) -> bool:
    """Whether a version is the lower bound or a patch of it."""
    return f"{version}.".startswith(f"{bound}.")


class TestState:
    def test_a_finished_step_is_remembered_with_its_inputs(self, tmp_path: Path) -> None:
        file = tmp_path / "setup.json"
        State(file).finish("build", "abc")
        assert State(file).inputs("build") == "abc"
        assert State(file).inputs("packages") is None
        State(file).forget()
        assert State(file).inputs("build") is None

    def test_a_damaged_record_means_that_nothing_is_finished(self, tmp_path: Path) -> None:
        file = tmp_path / "setup.json"
        file.write_text('{"build": "ab', encoding="utf-8")
        assert State(file).inputs("build") is None

    def test_a_digest_sees_content_names_and_new_files(self, tmp_path: Path) -> None:
        directory = tmp_path / "msg"
        directory.mkdir()
        (directory / "A.msg").write_text("bool a", encoding="utf-8")
        digests = [digest(tmp_path, [directory])]
        (directory / "A.msg").write_text("bool b", encoding="utf-8")
        digests.append(digest(tmp_path, [directory]))
        (directory / "A.msg").rename(directory / "B.msg")
        digests.append(digest(tmp_path, [directory]))
        (directory / "C.msg").touch()
        digests.append(digest(tmp_path, [directory]))
        assert len(set(digests)) == 4
        (directory / "C.msg").unlink()
        assert digest(tmp_path, [directory]) == digests[2]


@pytest.mark.skipif(Path(sys.prefix) != VENV, reason="runs with the Python of .venv alone, as set-up follows it")
class TestThisWorkspace:
    def test_nothing_is_repeated(self) -> None:
        run_setup(ROOT)
        before = (VENV / "setup.json").stat().st_mtime_ns
        again = run_setup(ROOT)
        assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
        assert (VENV / "setup.json").stat().st_mtime_ns == before

    def test_the_wheels_name_only_headers_that_exist(self) -> None:
        if not (VENV / "share" / "rclpy").is_dir():
            pytest.skip("ROS 2 comes from an installation here")
        files = (VENV / "share").glob("*/cmake/*rosidl_generator_pyExport.cmake")
        text = "".join(file.read_text(encoding="utf-8") for file in files)
        headers = set(re.findall(r'INTERFACE_INCLUDE_DIRECTORIES "([^"]+)"', text))
        directories = {directory for value in headers for directory in value.split(";") if directory.startswith("/")}
        assert any("numpy" in directory for directory in directories)
        assert [directory for directory in directories if not Path(directory).is_dir()] == []
