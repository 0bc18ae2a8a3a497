"""Runs the commands of the project's pages in order, except those marked with what they need."""

import shutil
from pathlib import Path

import cv2
import pytest
from documents import PAGES, ROOT, commands

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.resources import config_file
from bisenetformer_ros.streets import StreetDrive

RUN_BY_ANOTHER_TEST = {
    "docs/datasets.md": ("test/cli/test_datasets_page.py", "streets"),
    "examples/custom_dataset/README.md": ("test/ros/test_examples.py", "yard"),
}
"""Page → the test that runs its commands, and a word that each of them contains."""
SHORTER = {"--frames": "2"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the files that readers bring: a picture, a video with labels, a bag."""
    folder = tmp_path_factory.mktemp("files")
    frames = list(StreetDrive(7, 2, size=(120, 160)))
    cv2.imwrite(str(folder / "street.jpg"), frames[0].rgb[..., ::-1])
    video = cv2.VideoWriter(str(folder / "drive.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (160, 120))
    (folder / "masks").mkdir()
    for number, frame in enumerate(frames):
        video.write(frame.rgb[..., ::-1])
        cv2.imwrite(str(folder / "masks" / f"drive_{number:06d}.png"), frame.label_map)
    video.release()
    shutil.copy(config_file("labels", "camvid11", ".yaml"), folder / "my_classes.yaml")
    assert main(["make-bag", str(folder / "drive.mp4"), str(folder / "bag")]) == 0
    shutil.move(next((folder / "bag").glob("*.mcap")), folder / "drive.mcap")
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page) and page not in RUN_BY_ANOTHER_TEST])
def test_the_commands_of_a_page_run(page: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gates may fail: the drives are shorter than those that their limits were chosen for."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for command in commands(page):
        if command.needs:
            continue
        if command.words[0] == "source":
            assert (ROOT / command.words[1]).is_file(), command
            continue
        assert command.words[0] == "bisenetformer", f"{command}: no test runs it; say what it `# needs …`"
        arguments = shorter(command.words[1:])
        assert main(arguments) in ((0, 1) if "--fail-under" in arguments else (0,)), command


def shorter(arguments: tuple[str, ...]) -> list[str]:
    """Return the same command for fewer frames."""
    options = ("", *arguments[:-1])
    return [SHORTER.get(option, argument) for option, argument in zip(options, arguments, strict=True)]


@pytest.mark.parametrize(("page", "test", "word"), [(page, *run_by) for page, run_by in RUN_BY_ANOTHER_TEST.items()])
def test_the_other_test_runs_every_unmarked_command(page: str, test: str, word: str) -> None:
    source = (ROOT / test).read_text(encoding="utf-8")
    assert Path(page).name in source
    assert Path(page).parent.name in source
    assert [str(command) for command in commands(page) if not command.needs and word not in str(command)] == []
