"""Looking for files must neither create a folder nor fail, whatever the home directory is like."""

import os
import pwd
from pathlib import Path

import pytest

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.inference.graph.cache import (
    CHOSEN_FOLDER,
    cache_folder,
    cache_problem,
    check_output,
    choose_cache_folder,
    find_file,
    graph_name,
    newest_file,
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights" / "street.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path


@pytest.fixture(params=["no home", "a file in its place", "a home that does not exist"])
def unusable_cache(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if request.param == "no home":

        def no_entry(uid: int) -> None:
            raise KeyError(uid)

        monkeypatch.delenv("HOME", raising=False)
        monkeypatch.setattr(pwd, "getpwuid", no_entry)
    elif request.param == "a file in its place":
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    else:
        monkeypatch.setenv("HOME", "/proc/nobody")


def search(weights: Path) -> tuple[Path, Path | None]:
    name = graph_name(weights, "semantic", (480, 640), "fp32")
    return find_file(weights, name), newest_file(weights, "semantic", ".onnx")


@pytest.mark.usefixtures("unusable_cache")
def test_without_a_usable_folder_there_are_no_files(weights: Path) -> None:
    path, newest = search(weights)
    assert not path.exists()
    assert newest is None


def test_looking_for_files_creates_no_folder(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path, _ = search(weights)
    assert path.parent == tmp_path / "cache" / "bisenetformer_ros"
    assert cache_problem() == ""
    assert not (tmp_path / "cache").exists()


def test_writing_creates_the_cache_folder_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    check_output(cache_folder() / "street.onnx", ".onnx")
    assert cache_folder().is_dir()
    for path in (tmp_path / "nowhere" / "street.onnx", cache_folder() / "street.engine"):
        with pytest.raises(ConfigError, match=r"expected a \.onnx file in an existing folder to write to, got "):
            check_output(path, ".onnx")
    assert not (tmp_path / "nowhere").exists()


def test_a_user_without_a_home_is_told_to_set_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    assert cache_folder() is None
    assert cache_problem() == (
        f"there is no cache folder, as user {os.getuid()} has no home directory: set the parameter cache_dir"
    )


def test_a_folder_that_cannot_be_created_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder = tmp_path / "file" / "bisenetformer_ros"
    assert cache_problem() == (
        f"the cache folder {folder} cannot be written: set the parameter cache_dir to a writable folder"
    )


def test_a_chosen_folder_replaces_the_default(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHOSEN_FOLDER, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "default"))
    for folder in (tmp_path / "var" / "cache", tmp_path / "other"):
        choose_cache_folder(str(folder))
        check_output(cache_folder() / "street.onnx", ".onnx")
        assert folder.is_dir()
        assert search(weights)[0].parent == folder
    monkeypatch.setenv("HOME", str(tmp_path))
    choose_cache_folder("~/engines")
    assert cache_folder() == tmp_path / "engines"
    choose_cache_folder("")
    assert cache_folder() == tmp_path / "default" / "bisenetformer_ros"
