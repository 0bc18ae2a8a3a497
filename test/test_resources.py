"""The shipped files are found wherever the package is: in the checkout, installed by pip, installed by colcon."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bisenetformer_ros.resources import config_file, share_dir

ROOT = Path(__file__).resolve().parents[1]
QUERY = (
    "import bisenetformer_ros.resources as r, bisenetformer_ros.labels as l;"
    "print(r.__file__); print(r.share_dir()); print(len(l.LabelMap.load('cityscapes19')))"
)


def ask_installation(modules: Path, elsewhere: Path) -> tuple[Path, Path, int]:
    """Where a Python started `elsewhere` finds resources.py and share_dir(), and how many classes Cityscapes has."""
    process = subprocess.run(
        [sys.executable, "-c", QUERY],
        cwd=elsewhere,
        env={"PYTHONPATH": str(modules), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    )
    source, share, count = process.stdout.splitlines()
    return Path(source), Path(share), int(count)


def test_in_the_checkout() -> None:
    assert share_dir() == ROOT
    assert config_file("labels", "camvid11", ".yaml") == ROOT / "config" / "labels" / "camvid11.yaml"


def test_installed_by_pip(tmp_path: Path) -> None:
    checkout, target, elsewhere = tmp_path / "checkout", tmp_path / "target", tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("bisenetformer_ros", "config"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, checkout], check=True)

    source, share, count = ask_installation(target, elsewhere)

    assert source == target / "bisenetformer_ros" / "resources.py"
    assert share == target / "share" / "bisenetformer_ros"
    assert count == 19
    shipped = {path.relative_to(ROOT) for path in (ROOT / "config").rglob("*") if path.is_file()}
    installed = {path.relative_to(share) for path in (share / "config").rglob("*") if path.is_file()}
    assert installed == shipped


def test_installed_by_colcon(tmp_path: Path) -> None:
    installed = sorted((ROOT / "install" / "bisenetformer_ros").glob("**/*-packages/bisenetformer_ros/resources.py"))
    if not installed:
        pytest.skip("not built with colcon: make setup")
    source, share, count = ask_installation(installed[0].parents[1], tmp_path)
    assert source == installed[0]
    assert (share / "config" / "labels" / "cityscapes19.yaml").is_file()
    assert count == 19


def test_a_file_of_ones_own_comes_first(tmp_path: Path) -> None:
    own = tmp_path / "yard.yaml"
    own.touch()
    assert config_file("labels", str(own), ".yaml") == own


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FileNotFoundError, match=r"'yard'.*ade20k150, camvid11, cityscapes19"):
        config_file("labels", "yard", ".yaml")
