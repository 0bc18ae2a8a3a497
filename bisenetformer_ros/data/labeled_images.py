"""Images on disk with their labels: what every data set that is not rendered consists of."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bisenetformer_ros.data.sample import Sample
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.images.files import read_rgb, size_of
from bisenetformer_ros.labels import LabelMap


@dataclass(frozen=True)
class LabeledImage:
    """read_labels: returns the label map and the instance map of a Sample; its DataErrors name the file.

    find_oddities: what is strange about the files and does no harm in training; read once more for it.
    """

    name: str
    path: Path
    read_labels: Callable[[], tuple[np.ndarray, np.ndarray]]
    find_oddities: Callable[[], list[str]] = list

    def read(self) -> Sample:
        """Raises DataError about everything that is wrong with the files."""
        problems = []
        try:
            rgb = read_rgb(self.path)
        except DataError as error:
            problems.append(str(error))
        try:
            label_map, instance_map = self.read_labels()
        except DataError as error:
            problems.append(str(error))
        if not problems and rgb.shape[:2] != label_map.shape:
            problems.append(f"{self.path} is {size_of(rgb)}, its labels are {size_of(label_map)}")
        if problems:
            raise DataError("; ".join(problems))
        return Sample(self.name, rgb, label_map, instance_map)


class LabeledImages:
    """A LabeledDataset that reads an image when it is asked for.

    problems: what is missing or doubtful about the set as a whole; `images` are those that have all their files.
    """

    def __init__(
        self, labels: LabelMap, images: Sequence[LabeledImage], has_instances: bool, problems: Iterable[str] = ()
    ) -> None:
        self.labels = labels
        self.images = list(images)
        self.has_instances = has_instances
        self.problems = tuple(problems)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        """Raises DataError that names the file if it is damaged or its labels are not what they should be."""
        return self.images[index].read()


def join(parts: Sequence[LabeledImages]) -> LabeledImages:
    """The images of several splits of one data set, in order. Raises DataError if their label maps differ."""
    if any(part.labels != parts[0].labels for part in parts):
        raise DataError("the splits have different categories; a label map and values make them one")
    return LabeledImages(
        parts[0].labels,
        [image for part in parts for image in part.images],
        all(part.has_instances for part in parts),
        [problem for part in parts for problem in part.problems],
    )


def require_known(splits: Sequence[str], known: Sequence[str], dataset: str) -> None:
    """Raises DataError for a split that the data set does not have."""
    for split in splits:
        if split not in known:
            raise DataError(f"{dataset} has the splits {', '.join(known)}, not '{split}'")
