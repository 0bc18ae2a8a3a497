from pathlib import Path

import pytest

from bisenetformer_ros.data.file_search import find_files
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.numbers import first_of


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_files_are_matched_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "i/b.jpg", "i/x/a.jpg", "l/b_ids.png", "l/x/a_ids.png", "i/b.txt", "i/._b.jpg", "README")
    files, problems, _ = find_files(tmp_path, ("i/{name}.jpg", "l/{name}_ids.png"))
    assert files == {
        "b": (tmp_path / "i/b.jpg", tmp_path / "l/b_ids.png"),
        "x/a": (tmp_path / "i/x/a.jpg", tmp_path / "l/x/a_ids.png"),
    }
    assert problems == []


def test_labels_can_be_beside_the_images(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "a_mask.png", "b.png", "b_mask.png")
    files, problems, _ = find_files(tmp_path, ("{name}.png", "{name}_mask.png"))
    assert (list(files), problems) == (["a", "b"], [])


@pytest.mark.parametrize("image", ["a.jpg", "a.JPG", "a.Jpg"])
@pytest.mark.parametrize("label", ["a_ids.png", "a_ids.PNG"])
def test_the_case_of_suffixes_does_not_matter(tmp_path: Path, image: str, label: str) -> None:
    touch(tmp_path, image, label)
    files, problems, skipped = find_files(tmp_path, ("{name}.jpg", "{name}_ids.png"))
    assert (files, problems, skipped) == ({"a": (tmp_path / image, tmp_path / label)}, [], [])


def test_a_name_with_two_files_is_a_problem(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a.JPG", "a.png")
    _, problems, _ = find_files(tmp_path, ("{name}.jpg", "{name}.png"))
    assert problems == ["{name}.jpg matches several files, whose suffixes differ in case: a"]


def test_images_that_match_no_pattern_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "i/a.jpg", "i/a.png", "i/b.JPEG", "i/x/c_depth.png", "i/notes.txt", "l/b.png", "._c.jpg")
    assert find_files(tmp_path, ("i/{name}.jpg", "i/{name}.png"))[2] == [tmp_path / "i/b.JPEG"]
    assert find_files(tmp_path, ("i/{name}.jpg",))[2] == [
        tmp_path / name for name in ("i/a.png", "i/b.JPEG", "i/x/c_depth.png")
    ]


def test_folders_can_be_links(tmp_path: Path) -> None:
    touch(tmp_path, "disk/a.jpg")
    (tmp_path / "i").mkdir()
    (tmp_path / "i" / "city").symlink_to(tmp_path / "disk")
    assert list(find_files(tmp_path, ("i/{name}.jpg",))[0]) == ["city/a"]


def test_names_select_and_order(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "c.jpg", "a.png", "c.png", "d.png")
    files, problems, _ = find_files(tmp_path, ("{name}.jpg", "{name}.png"), names=["c", "a"])
    assert (list(files), problems) == (["c", "a"], [])
    files, (problem,), _ = find_files(tmp_path, ("{name}.jpg", "{name}.png"), names=["d", "e", "a"])
    assert list(files) == ["a"]
    assert problem.splitlines()[:2] == [
        "{name}.jpg is missing for 2 of 3 names: d, e",
        "{name}.png is missing for 1 of 3 names: e",
    ]


def test_the_tree_counts_per_folder_where_the_counts_differ(tmp_path: Path) -> None:
    touch(tmp_path, "i/x/a.jpg", "i/x/b.jpg", "i/y/c.jpg", "l/x/a.png", "l/y/c.png", "l/z/d.png")
    files, (problem,), _ = find_files(tmp_path, ("i/{name}.jpg", "l/{name}.png"))
    assert list(files) == ["x/a", "y/c"]
    assert problem.splitlines() == [
        "i/{name}.jpg is missing for 1 of 4 names: z/d",
        "l/{name}.png is missing for 1 of 4 names: x/b",
        f"expected in {tmp_path}:",
        "  i/{name}.jpg  3 found",
        "  l/{name}.png  3 found",
        "  x: 2, 1",
        "  z: 0, 1",
    ]


@pytest.mark.parametrize(
    ("made", "root", "message"),
    [
        ("l/a.png", ".", r"no i/\{name\}.jpg in .*, which contains l/\nexpected in .*:\n  .* 0 found\n  .* 1 found$"),
        ("data/i/a.jpg", ".", r"which contains data/\n(?s:.*)i/ is in .*/data: is that the root\?$"),
        ("data/i/a.jpg", "data/i", r"which contains a.jpg\n(?s:.*)i/ is in .*/data: is that the root\?$"),
        ("i/a.jpeg", ".", r"which contains i/\n(?s:.*)other images there: .*/i/a\.jpeg$"),
        ("empty/i.txt", "nowhere", "nowhere, which is not a folder\n"),
    ],
)
def test_a_root_without_images_is_reported(tmp_path: Path, made: str, root: str, message: str) -> None:
    touch(tmp_path, made)
    with pytest.raises(DataError, match=message):
        find_files(tmp_path / root, ("i/{name}.jpg", "l/{name}.png"))


def test_long_lists_are_shortened() -> None:
    assert first_of(["a", "b"]) == "a, b"
    assert first_of(range(12)) == "0, 1, 2, 3, 4 and 7 more"
