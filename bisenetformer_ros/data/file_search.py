"""Find the files of a data set by path patterns and show what is missing.

A pattern is a path relative to the root, such as `images/{name}.jpg` or `labels/{name}_ids.png`. {name} is what the
files of one image have in common; it may contain subfolders. The case of the suffix does not matter.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bisenetformer_ros.errors import DataError
from bisenetformer_ros.images.file_types import is_image
from bisenetformer_ros.numbers import first_of

_MOST_FOLDERS = 20


def find_files(
    root: Path, patterns: Sequence[str], names: Sequence[str] | None = None
) -> tuple[dict[str, tuple[Path, ...]], list[str], list[Path]]:
    """Find the images that have all their files.

    Args:
        root: Folder of the data set.
        patterns: The first one is the image's.
        names: Distinct names to look for, in this order. By default all, sorted.

    Returns:
        {name: one path per pattern} of the complete images, a description of what is missing or ambiguous, and the
        images that match no pattern although they lie where the first one looks.

    Raises:
        DataError: There are no images; the message shows the expected tree.
    """
    found, ambiguous, skipped = _find(root, patterns)
    if not found[patterns[0]]:
        others = f"\nother images there: {first_of(skipped)}" if skipped else ""
        hint = f"{_tree(root, found)}{others}{_hint(root, patterns[0])}"
        raise DataError(f"no {patterns[0]} in {root}{state_of(root)}\n{hint}")
    wanted = sorted(set().union(*found.values())) if names is None else names
    problems = []
    for pattern, files in found.items():
        missing = [name for name in wanted if name not in files]
        if missing:
            problems.append(f"{pattern} is missing for {len(missing)} of {len(wanted)} names: {first_of(missing)}")
    if problems:
        problems = ["\n".join([*problems, _tree(root, found)])]
    for pattern, twice in ambiguous.items():
        problems.append(f"{pattern} matches several files, whose suffixes differ in case: {first_of(sorted(twice))}")
    complete = [name for name in wanted if all(name in files for files in found.values())]
    return {name: tuple(files[name] for files in found.values()) for name in complete}, problems, skipped


def state_of(folder: Path) -> str:
    """Describe the content of a folder, as a relative clause."""
    if not folder.is_dir():
        return ", which is not a folder"
    entries = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    return f", which contains {first_of(entries) if entries else 'nothing'}"


def _find(root: Path, patterns: Sequence[str]) -> tuple[dict[str, dict[str, Path]], dict[str, set[str]], list[Path]]:
    """Match the files below the root. The longest pattern wins: a_ids.png matches {name}_ids.png, not {name}.png.

    Returns:
        Pattern → {name: path}, pattern → names with several files, and images that match none.
    """
    found: dict[str, dict[str, Path]] = {pattern: {} for pattern in patterns}
    ambiguous: dict[str, set[str]] = {}
    taken: set[str] = set()
    for pattern in sorted(patterns, key=len, reverse=True):
        expression = _expression(pattern)
        for path in _files_below(root, _folder(pattern)):
            match = expression.fullmatch(path)
            if match and path not in taken:
                taken.add(path)
                if match[1] in found[pattern]:
                    ambiguous.setdefault(pattern, set()).add(match[1])
                found[pattern][match[1]] = root / path
    images = (path for path in _files_below(root, _folder(patterns[0])) if is_image(Path(path)))
    return found, ambiguous, [root / path for path in sorted(set(images) - taken)]


def _expression(pattern: str) -> re.Pattern[str]:
    suffix = "" if "{" in Path(pattern).suffix else Path(pattern).suffix
    start = re.escape(pattern.removesuffix(suffix)).replace(re.escape("{name}"), "(.+)")
    return re.compile(f"{start}(?i:{re.escape(suffix)})")


def _folder(pattern: str) -> str:
    return pattern.partition("{name}")[0].rpartition("/")[0]


def _files_below(root: Path, folder: str) -> Iterator[str]:
    """Yield paths relative to root, without hidden files such as the ._NAME that some archives contain."""
    for directory, _, files in os.walk(root / folder, followlinks=True):
        prefix = Path(directory).relative_to(root)
        yield from ((prefix / file).as_posix() for file in files if not file.startswith("."))


def _tree(root: Path, found: Mapping[str, Mapping[str, Path]]) -> str:
    """Count the matches of each pattern, and list the folders where the counts differ."""
    width = max(map(len, found))
    lines = [f"expected in {root}:"]
    lines += [f"  {pattern:{width}}  {len(files)} found" for pattern, files in found.items()]
    per_folder = [Counter(name.rpartition("/")[0] for name in files) for files in found.values()]
    folders = sorted(set().union(*per_folder))
    if len(folders) > 1:
        counts = {folder: [of_pattern[folder] for of_pattern in per_folder] for folder in folders}
        uneven = [f"  {folder or '.'}: {', '.join(map(str, of))}" for folder, of in counts.items() if len(set(of)) > 1]
        lines += uneven[:_MOST_FOLDERS]
    return "\n".join(lines)


def _hint(root: Path, pattern: str) -> str:
    """Point to the tree if it starts one folder above or below the root."""
    first = pattern.split("/")[0]
    if "{" in first or not root.is_dir() or (root / first).is_dir():
        return ""
    nearby = [folder for folder in (root.parent, *sorted(root.iterdir())) if (folder / first).is_dir()]
    return f"\n{first}/ is in {nearby[0]}: is that the root?" if nearby else ""
