"""What a file is by its name: an image, the label image of another one, or a bag. Case does not matter.

Whatever else a user names is opened as a video, whose content decides.
"""

import re
from collections.abc import Collection
from itertools import product
from pathlib import Path

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")

_JPEG_SUFFIXES = (".jpeg", ".jpg")
_LABEL_SUFFIX = ".png"
_ADDRESS = re.compile("[A-Za-z][A-Za-z0-9+.-]*://")


def is_image(path: Path) -> bool:
    """Hidden files, such as the ._NAME of some archives, are none."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def is_bag_file(path: Path) -> bool:
    return path.suffix.lower() in (".mcap", ".db3")


def is_address(source: str) -> bool:
    """Return whether this is the address of a stream, such as rtsp://camera/stream or http://host/drive.mp4."""
    return bool(_ADDRESS.match(source))


def label_images_among(images: Collection[Path]) -> set[Path]:
    """Return the label images: a PNG beside a JPEG of the same name, as in CamVid's folders."""
    photographs = {image.stem for image in images if image.suffix.lower() in _JPEG_SUFFIXES}
    return {image for image in images if image.suffix.lower() == _LABEL_SUFFIX and image.stem in photographs}


def find_label_image(folder: Path, name: str) -> Path | None:
    """Return NAME.png in a folder, whatever the case of its suffix, or None."""
    suffixes = map("".join, product(*({letter, letter.upper()} for letter in _LABEL_SUFFIX)))
    candidates = (folder / f"{name}{suffix}" for suffix in (_LABEL_SUFFIX, *suffixes))
    return next((path for path in candidates if path.is_file()), None)


def has_label_images(folder: Path) -> bool:
    """Return whether a folder has images that may be label images."""
    return any(path.suffix.lower() == _LABEL_SUFFIX and is_image(path) for path in folder.glob("*"))
