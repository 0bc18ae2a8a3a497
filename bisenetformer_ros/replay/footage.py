"""The footage that a demo plays or a bag records, with its ground truth."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bisenetformer_ros.data.custom import LabelImageFormat
from bisenetformer_ros.data.png_labels import ValueTable
from bisenetformer_ros.data.sample import connected_instances, known_classes
from bisenetformer_ros.errors import DataError, InputError
from bisenetformer_ros.images.file_types import find_label_image, has_label_images, is_address, label_images_among
from bisenetformer_ros.images.files import explain_orientation, instance_numbers, read_label_images, without_color
from bisenetformer_ros.images.frame_geometry import FrameGeometry
from bisenetformer_ros.images.sources import scan_folder
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.numbers import counted
from bisenetformer_ros.streets import LABEL_MAP, render_drives

DRIVE = "drive"
DEFAULT_SEEDS = (6, 17, 29)
"""Below 10000: no training data contains these streets."""


@dataclass(frozen=True)
class LabelFolder:
    """Ground truth as label PNGs in a folder.

    Attributes:
        labels: Folder with NAME.png for frame NAME.
        instances: Folder with NAME.png of instance numbers, 0 on stuff, or None.
        class_names: Meaning of the ids, or None if they are the model's own.
        table: Meaning of the values; None if they are class ids, and others are ignored.
        ignored: Value → pixels of the loaded label images that are ignored for that.
    """

    labels: Path
    instances: Path | None = None
    class_names: tuple[str, ...] | None = None
    table: ValueTable | None = None
    ignored: Counter[int] = field(default_factory=Counter, compare=False)

    def load(self, name: str, labels: LabelMap) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the label map and the instance map of a frame, or None if it is not labelled.

        Without instance PNGs, connected components of things stand in for instances.

        Returns:
            (H, W) uint8 class ids of `labels`, 255 = ignore, and (H, W) instance ids, 0 = none.

        Raises:
            DataError: A file is damaged or not a label image.
        """
        label_image = find_label_image(self.labels, name)
        if label_image is None:
            return None
        paths = [label_image]
        if self.instances is not None:
            paths.append(find_label_image(self.instances, name) or self.instances / f"{name}.png")
        values, *instances = read_label_images(*paths)
        if self.table is not None:
            label_map = self.table.to_classes(values, paths[0])
        else:
            label_map = known_classes(_numbers(values, paths[0]), len(labels), self.ignored)
        if instances:
            return label_map, instance_numbers(instances[0], paths[1])
        return label_map, connected_instances(label_map, labels.thing_ids)


def _numbers(values: np.ndarray, path: Path) -> np.ndarray:
    values = without_color(values)
    if values.ndim != 2:
        raise DataError(
            f"label image {path} has colours, expected one channel that holds the model's class ids; other values are "
            "ignored (as in CamVid's label images)"
        )
    return values


@dataclass(frozen=True)
class Footage:
    """What to play.

    Attributes:
        path: What `open_source` reads.
        truth: None without labels.
        description: Text for reports.
        geometry: Folder with the geometry NAME.npz of frame NAME, or None.
    """

    path: str
    truth: LabelFolder | None
    description: str
    geometry: Path | None = None

    def load_geometry(self, name: str) -> FrameGeometry | None:
        """Return the camera matrix of a frame and, if rendered, depth and boxes; None if they are unknown."""
        return FrameGeometry.load(self.geometry / f"{name}.npz") if self.geometry else None

    def check_size(self, name: str, labels: tuple[int, ...], image: tuple[int, ...]) -> None:
        """Raise DataError if labels and image of a frame differ in (height, width); EXIF may be the reason."""
        if labels == image:
            return
        path = None if is_address(self.path) else Path(self.path).expanduser()
        file = next((file for file in scan_folder(path)[0] if file.stem == name), None) if path else None
        sizes = f"{labels[1]}x{labels[0]}, the image is {image[1]}x{image[0]}"
        raise DataError(f"the label image of {name} is {sizes}; expected the same size{explain_orientation(file)}")


def drive_seeds(source: str) -> tuple[int, ...] | None:
    """Parse `drive` (the default seeds) or `drive:3,8`; return None for any other source.

    Raises:
        InputError: A seed is not a whole number of at least 0.
    """
    kind, _, seeds = source.partition(":")
    if kind != DRIVE:
        return None
    if source == DRIVE:
        return DEFAULT_SEEDS
    if not all(seed.strip().isdecimal() for seed in seeds.split(",")):
        raise InputError(f"expected drive:SEED or drive:SEED,SEED,… with whole numbers from 0, got '{source}'")
    return tuple(int(seed) for seed in seeds.split(","))


def render_footage(
    seeds: tuple[int, ...],
    num_frames: int,
    rate_hz: float,
    directory: Path,
    on_frame: Callable[[], None],
    depth_every: int = 0,
) -> Footage:
    """Render drives into an empty folder; arguments as in `render_drives`."""
    render_drives(seeds, num_frames, rate_hz, directory, on_frame, depth_every)
    names = tuple(label.name for label in LabelMap.load(LABEL_MAP))
    truth = LabelFolder(directory / "labels", directory / "instances", names)
    drives = f"{counted(len(seeds), 'generated drive')} (seed {', '.join(map(str, seeds))})"
    known = "labels, instances and depth" if depth_every else "labels and instances"
    return Footage(str(directory / "images"), truth, f"{drives}, exact {known}", directory / "geometry")


def drive_of(name: str) -> str:
    """Return the rendered drive to which a frame belongs; ids of instances last through a drive."""
    return name.rpartition("_")[2]


def find_footage(source: str, labels: Path | None, form: LabelImageFormat | None = None) -> Footage:
    """Describe the user's own source.

    Args:
        source: What `open_source` reads.
        labels: Folder with label images NAME.png. None looks for NAME.png beside NAME.jpg.
        form: What the label images hold; None for class ids.

    Raises:
        InputError: `labels` contains no PNGs.
    """
    if labels is not None:
        if not has_label_images(labels):
            raise InputError(f"expected a folder with label images NAME.png in '{labels}', found none")
        return _labelled(source, labels, f"labels from {labels}", form)
    path = Path(source).expanduser()
    folder = path if path.is_dir() else path.parent
    images = [] if is_address(source) else scan_folder(path)[0]
    if any(label_images_among([image, label]) for image in images if (label := find_label_image(folder, image.stem))):
        return _labelled(source, folder, "labels beside the images", form)
    return Footage(source, None, f"{source}, no labels")


def _labelled(source: str, folder: Path, origin: str, form: LabelImageFormat | None) -> Footage:
    instances = form.instance_folders.get(folder.resolve()) if form else None
    truth = LabelFolder(folder, instances, table=form.table if form else None)
    return Footage(source, truth, f"{source}, {origin}{f', instances from {instances}' if instances else ''}")
