"""Labelled images on disk."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bisenetformer_ros.data.file_search import find_files
from bisenetformer_ros.data.sample import Instances, Sample
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.images.files import explain_orientation, read_rgb, size_of
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.numbers import first_of


@dataclass(frozen=True)
class LabeledImage:
    """One image and how to read its labels.

    Attributes:
        name: Name of the sample.
        path: The image file.
        read_labels: Returns the label map and the instances of a `Sample`, or raises DataError that names the file.
        find_oddities: Reads the labels and describes what is unusual about them but harmless in training.
        video: As in `Sample`.
    """

    name: str
    path: Path
    read_labels: Callable[[], tuple[np.ndarray, Instances]]
    find_oddities: Callable[[], list[str]] = list
    video: str = ""

    def read(self) -> Sample:
        """Read image and labels; a DataError lists everything wrong with the files, but for instances read later."""
        problems = []
        try:
            rgb = read_rgb(self.path)
        except DataError as error:
            problems.append(str(error))
        try:
            label_map, instances = self.read_labels()
        except DataError as error:
            problems.append(str(error))
        if not problems and rgb.shape[:2] != label_map.shape:
            problems.append(
                f"{self.path} is {size_of(rgb)}, its labels are {size_of(label_map)}{explain_orientation(self.path)}"
            )
        if problems:
            raise DataError("; ".join(problems))
        return Sample(self.name, rgb, label_map, instances, self.video)


class LabeledImages:
    """A `LabeledDataset` that reads each image on access.

    Args:
        labels: The classes.
        images: Those whose files are all there.
        has_instances: Whether instances were annotated.
        problems: What is missing or contradictory in the data set as a whole.
        skipped: Image files in its folders that are not part of it.
    """

    def __init__(
        self,
        labels: LabelMap,
        images: Sequence[LabeledImage],
        has_instances: bool,
        problems: Iterable[str] = (),
        skipped: Iterable[Path] = (),
    ) -> None:
        self.labels = labels
        self.images = list(images)
        self.has_instances = has_instances
        self.problems = tuple(problems)
        self.skipped = tuple(skipped)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        """Read a sample; raises DataError, naming the file, if it is damaged or its labels are invalid."""
        return self.images[index].read()


def open_images(
    root: Path,
    patterns: Sequence[str],
    labels: LabelMap,
    read_labels: Callable[..., tuple[np.ndarray, Instances]],
    has_instances: bool = True,
    names: Sequence[str] | None = None,
) -> LabeledImages:
    """Open the images found by `find_files`; `read_labels` gets the paths of all patterns but the first."""
    files, problems, skipped = find_files(root, patterns, names)
    images = [LabeledImage(name, paths[0], partial(read_labels, *paths[1:])) for name, paths in files.items()]
    return LabeledImages(labels, images, has_instances, problems, skipped)


def concatenate_splits(splits: Sequence[LabeledImages]) -> LabeledImages:
    """Concatenate the splits of one data set; raises DataError if their classes differ."""
    for split in splits:
        if differences := splits[0].labels.differences(split.labels):
            raise DataError(
                f"the splits have different categories ({first_of(differences)}); give the data set labels and values "
                "for all of them"
            )
    return LabeledImages(
        splits[0].labels,
        [image for split in splits for image in split.images],
        all(split.has_instances for split in splits),
        [problem for split in splits for problem in split.problems],
        dict.fromkeys(path for split in splits for path in split.skipped),
    )


def require_known(splits: Sequence[str], known: Sequence[str], dataset: str) -> None:
    """Raise DataError if a data set does not have one of the splits."""
    for split in splits:
        if split not in known:
            raise DataError(f"{dataset} has the splits {', '.join(known)}, not '{split}'")
