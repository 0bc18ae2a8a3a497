"""What the camera of the demo plays: generated drives, which are rendered first, or what the user has."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2

from bisenetformer_ros.data.label_folder import LabelFolder
from bisenetformer_ros.errors import InputError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.streets import StreetDrive

DRIVE = "drive"
DEFAULT_SEEDS = (6, 17, 29)
"""Below 10000: these streets are in no training data."""
DRIVE_LABELS = "camvid11"
FAST_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]


@dataclass(frozen=True)
class Footage:
    """path: for the player. truth: None if there are no labels. description: for people."""

    path: str
    truth: LabelFolder | None
    description: str


def drive_seeds(source: str) -> tuple[int, ...] | None:
    """`drive` → the default seeds, `drive:3,8` → 3 and 8, anything else → None.

    Raises InputError for seeds that are no numbers from 0.
    """
    kind, _, seeds = source.partition(":")
    if kind != DRIVE:
        return None
    if source == DRIVE:
        return DEFAULT_SEEDS
    if not all(seed.strip().isdecimal() for seed in seeds.split(",")):
        raise InputError(f"expected drive:SEED or drive:SEED,SEED,… with whole numbers from 0, got '{source}'")
    return tuple(int(seed) for seed in seeds.split(","))


def render_drives(
    seeds: tuple[int, ...], num_frames: int, rate_hz: float, directory: Path, on_frame: Callable[[], None]
) -> Footage:
    """Writes `num_frames` frames, spread over one drive per seed, into the empty `directory`, with exact labels."""
    labels, instances = directory / "labels", directory / "instances"
    labels.mkdir()
    instances.mkdir()
    shares = [num_frames * (i + 1) // len(seeds) - num_frames * i // len(seeds) for i in range(len(seeds))]
    number = 0
    for seed, share in zip(seeds, shares, strict=True):
        for frame in StreetDrive(seed, max(1, share), frame_rate_hz=rate_hz) if share else ():
            name = f"{number:05d}_drive{seed}.png"
            cv2.imwrite(str(directory / name), cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR), FAST_PNG)
            cv2.imwrite(str(labels / name), frame.label_map, FAST_PNG)
            cv2.imwrite(str(instances / name), frame.instance_map, FAST_PNG)
            number += 1
            on_frame()
    names = tuple(label.name for label in LabelMap.load(DRIVE_LABELS).labels)
    seed_list = ", ".join(map(str, seeds))
    description = f"{len(seeds)} generated drive{'s' * (len(seeds) > 1)} (seed {seed_list}), exact labels and instances"
    return Footage(str(directory), LabelFolder(labels, instances, names), description)


def find_footage(source: str, labels: Path | None) -> Footage:
    """The user's own source; label images in `labels`, or NAME.png beside NAME.jpg in a folder of images.

    Raises InputError if `labels` is not a folder with PNG images.
    """
    if labels is not None:
        if not any(labels.glob("*.png")):
            raise InputError(f"expected a folder with label images NAME.png in '{labels}', found none")
        return Footage(source, LabelFolder(labels), f"{source}, labels from {labels}")
    path = Path(source).expanduser()
    folder, pattern = (path, "*.jp*g") if path.is_dir() else (path.parent, path.name)
    if any(image.suffix != ".png" and image.with_suffix(".png").is_file() for image in folder.glob(pattern)):
        return Footage(source, LabelFolder(folder), f"{source}, labels beside the images")
    return Footage(source, None, f"{source}, no labels")
