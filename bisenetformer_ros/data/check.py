"""Read every image of some data sets once, count what they contain and report every problem with its file."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bisenetformer_ros.data.labeled_images import LabeledImages
from bisenetformer_ros.data.sample import LabeledDataset, Sample
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.images.files import exif_orientation, size_of
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.numbers import counted, first_of
from bisenetformer_ros.results import UNLABELED


@dataclass(eq=False)
class Findings:
    """Statistics of one or more readable images, and problems.

    Attributes:
        problems: What is wrong, with the files.
        num_images: Number of readable images.
        sizes: Number of images per size.
        pixels: (256,) number of pixels per label value.
        images: (256,) number of images that contain each label value.
        instances: Number of instances per class id.
        crowds: Number of crowds per class id.
        turned: Images that an EXIF orientation turns.
        skipped: Images that are in no data set although they are in its folders.
    """

    problems: list[str] = field(default_factory=list)
    num_images: int = 0
    sizes: Counter[str] = field(default_factory=Counter)
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    images: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    instances: Counter[int] = field(default_factory=Counter)
    crowds: Counter[int] = field(default_factory=Counter)
    turned: list[str] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)

    def add(self, other: "Findings") -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def check(
    datasets: Sequence[LabeledDataset],
    on_image: Callable[[], None] = lambda: None,
    num_threads: int = os.cpu_count() or 1,
) -> Findings:
    """Inspect all images, and report images that occur more than once.

    Args:
        datasets: Data sets with the same label map.
        on_image: Called in this thread after each image.
        num_threads: Number of images read in parallel.
    """
    findings = Findings([problem for dataset in datasets for problem in getattr(dataset, "problems", ())])
    findings.skipped += dict.fromkeys(path for dataset in datasets for path in getattr(dataset, "skipped", ()))
    seen: dict[bytes, str] = {}
    todo = [(dataset, index) for dataset in datasets for index in range(len(dataset))]
    with ThreadPoolExecutor(num_threads) as pool:
        try:
            for name, digest, of_image in pool.map(lambda item: _check_image(*item), todo):
                findings.add(of_image)
                if digest in seen:
                    same = "is read twice" if seen[digest] == name else f"is identical to {seen[digest]}"
                    findings.problems.append(f"{name} {same}")
                elif digest is not None:
                    seen[digest] = name
                on_image()
        finally:
            pool.shutdown(cancel_futures=True)  # so that Ctrl-C does not wait for the remaining images
    return findings


def _check_image(dataset: LabeledDataset, index: int) -> tuple[str, bytes | None, Findings]:
    """Return its file (or a name), a digest of its pixels (None if it cannot be read) and what it contains."""
    image = dataset.images[index] if isinstance(dataset, LabeledImages) else None
    name = str(image.path) if image else f"{type(dataset).__name__} {index}"
    try:
        sample = dataset[index]
        findings = inspect(sample, dataset.labels, dataset.has_instances)
        oddities = image.find_oddities() if image else []
    except DataError as error:
        return name, None, Findings([str(error)])
    if image and (orientation := exif_orientation(image.path)) != 1:
        findings.turned = [f"{name} (orientation {orientation})"]
    findings.problems = [*oddities, *(f"{name}: {problem}" for problem in findings.problems)]
    return name, hashlib.blake2b(np.ascontiguousarray(sample.rgb).data, digest_size=16).digest(), findings


def find_warnings(findings: Findings, labels: LabelMap) -> list[str]:
    """Describe what is suspicious about images that are readable, but may be intended."""
    if not findings.num_images:
        return []
    occurring = set(np.flatnonzero(findings.pixels).tolist())
    absent = [label.name for label in labels if label.id not in occurring]
    warnings = [f"no pixel has the class {first_of(absent, most=12)}"] if absent else []
    if occurring == {0, UNLABELED} and len(labels) > 1:
        warnings.append(
            f"all pixels are {labels[0].name} (0) or ignored (255): if the label images are masks of 0 and 255, give "
            f"the data set values: {{0: {labels[0].name}, 255: {labels[1].name}}}"
        )
    if findings.skipped:
        warnings.append(
            f"{counted(len(findings.skipped), 'image')} skipped, whose names fit no pattern of the data set: "
            f"{first_of(findings.skipped)}"
        )
    if findings.turned:
        warnings.append(
            f"{counted(len(findings.turned), 'image')} turned by EXIF, label images must be turned likewise: "
            f"{first_of(findings.turned)}"
        )
    return warnings


def inspect(sample: Sample, labels: LabelMap, has_instances: bool) -> Findings:
    """Count what a sample contains; `has_instances`: each pixel of a thing should belong to an instance."""
    pixels = np.bincount(sample.label_map.ravel(), minlength=256)
    areas = _areas_of_instances(sample)
    problems = [] if pixels[:UNLABELED].any() else ["no pixel has a class"]
    for instance, classes in areas.items():
        if instance > 0 and len(classes) > 1 and any(labels[class_id].is_thing for class_id in classes):
            parts = [f"{labels[class_id].name} ({counted(area, 'pixel')})" for class_id, area in classes.items()]
            problems.append(f"instance {instance} covers {' and '.join(parts)}")
    for class_id, area in areas.get(0, {}).items():
        if has_instances and labels[class_id].is_thing:
            problems.append(f"{labels[class_id].name}: {counted(area, 'pixel')} without instance")
    things = [(instance, key) for instance, classes in areas.items() for key in classes if labels[key].is_thing]
    return Findings(
        problems,
        num_images=1,
        sizes=Counter([size_of(sample.rgb)]),
        pixels=pixels,
        images=(pixels > 0).astype(np.int64),
        instances=Counter(class_id for instance, class_id in things if instance > 0),
        crowds=Counter(class_id for instance, class_id in things if instance < 0),
    )


def _areas_of_instances(sample: Sample) -> dict[int, dict[int, int]]:
    """Instance → class id → pixels, without ignored pixels."""
    counted = sample.label_map != UNLABELED
    pairs = sample.instance_map[counted].astype(np.int64) * 256 + sample.label_map[counted]
    areas: dict[int, dict[int, int]] = {}
    for pair, area in zip(*np.unique(pairs, return_counts=True), strict=True):
        areas.setdefault(int(pair) // 256, {})[int(pair) % 256] = int(area)
    return areas
