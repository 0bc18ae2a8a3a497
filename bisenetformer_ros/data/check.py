"""Reads every picture of some data sets once, counts what is in them and tells what is wrong with which file."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from bisenetformer_ros.data.labeled_images import LabeledImages
from bisenetformer_ros.data.sample import LabeledDataset, Sample
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.images.files import size_of
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED


@dataclass(eq=False)
class Findings:
    """About one picture or many; the counts are of those that could be read.

    problems: what is wrong, with the files. sizes: pictures of each size. pixels, pictures: (256,), pixels of each
    label value, and pictures that have some. instances, crowds: class id → number.
    """

    problems: list[str] = field(default_factory=list)
    num_pictures: int = 0
    sizes: Counter[str] = field(default_factory=Counter)
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    pictures: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    instances: Counter[int] = field(default_factory=Counter)
    crowds: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Findings") -> None:
        self.problems += other.problems
        self.num_pictures += other.num_pictures
        self.sizes += other.sizes
        self.pixels += other.pixels
        self.pictures += other.pictures
        self.instances += other.instances
        self.crowds += other.crowds


def check(
    datasets: Sequence[LabeledDataset],
    on_picture: Callable[[], None] = lambda: None,
    num_threads: int = os.cpu_count() or 1,
) -> Findings:
    """Everything about all pictures; `on_picture` is called after each of them.

    The data sets have one label map in common. Pictures that occur twice are a problem, too.
    """
    findings = Findings([problem for dataset in datasets for problem in getattr(dataset, "problems", ())])
    seen: dict[bytes, str] = {}
    todo = [(dataset, index) for dataset in datasets for index in range(len(dataset))]
    with ThreadPoolExecutor(num_threads) as pool:
        try:
            for name, digest, of_picture in pool.map(lambda item: _check_picture(*item), todo):
                findings.add(of_picture)
                if digest in seen:
                    same = "is read twice" if seen[digest] == name else f"shows the same as {seen[digest]}"
                    findings.problems.append(f"{name} {same}")
                elif digest is not None:
                    seen[digest] = name
                on_picture()
        finally:
            pool.shutdown(cancel_futures=True)  # an interruption does not wait for the rest
    return findings


def _check_picture(dataset: LabeledDataset, index: int) -> tuple[str, bytes | None, Findings]:
    """Its file, or its name if it has none, and a digest that equal pictures share; None if it cannot be read."""
    image = dataset.images[index] if isinstance(dataset, LabeledImages) else None
    name = str(image.path) if image else f"{type(dataset).__name__} {index}"
    try:
        sample = dataset[index]
        oddities = image.find_oddities() if image else []
    except DataError as error:
        return name, None, Findings([str(error)])
    findings = inspect(sample, dataset.labels, dataset.has_instances)
    findings.problems = [*oddities, *(f"{name}: {problem}" for problem in findings.problems)]
    return name, hashlib.blake2b(np.ascontiguousarray(sample.rgb), digest_size=16).digest(), findings


def inspect(sample: Sample, labels: LabelMap, has_instances: bool) -> Findings:
    """What one sample contains. has_instances: whether all things should belong to one."""
    pixels = np.bincount(sample.label_map.ravel(), minlength=256)
    areas = _areas_of_instances(sample)
    problems = [] if pixels[:UNLABELED].any() else ["no pixel has a class"]
    for instance, classes in areas.items():
        if instance > 0 and len(classes) > 1 and any(labels[class_id].is_thing for class_id in classes):
            on = " and ".join(f"{labels[class_id].name} ({area} pixels)" for class_id, area in classes.items())
            problems.append(f"instance {instance} lies on {on}")
    for class_id, area in areas.get(0, {}).items():
        if has_instances and labels[class_id].is_thing:
            problems.append(f"{area} pixels of {labels[class_id].name} are in no instance")
    things = [(instance, key) for instance, classes in areas.items() for key in classes if labels[key].is_thing]
    return Findings(
        problems,
        num_pictures=1,
        sizes=Counter([size_of(sample.rgb)]),
        pixels=pixels,
        pictures=(pixels > 0).astype(np.int64),
        instances=Counter(class_id for instance, class_id in things if instance > 0),
        crowds=Counter(class_id for instance, class_id in things if instance < 0),
    )


def _areas_of_instances(sample: Sample) -> dict[int, dict[int, int]]:
    """instance → class id → pixels; pixels to be ignored do not count."""
    counted = sample.label_map != UNLABELED
    pairs = sample.instance_map[counted].astype(np.int64) * 256 + sample.label_map[counted]
    areas: dict[int, dict[int, int]] = {}
    for pair, area in zip(*np.unique(pairs, return_counts=True), strict=True):
        areas.setdefault(int(pair) // 256, {})[int(pair) % 256] = int(area)
    return areas
