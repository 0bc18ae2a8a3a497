"""Image files of a demo run: overlays, label images, and an animation of the drive."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.images.draw import colorize, overlay
from bisenetformer_ros.images.files import write_image
from bisenetformer_ros.images.panels import side_by_side, with_legend
from bisenetformer_ros.images.track_grid import track_grid
from bisenetformer_ros.replay.recording import Recording

PICTURES = 6
TRACK_FRAMES = 20
ANIMATION_FRAMES = 60
ANIMATION_HEIGHT = 270
ANIMATION_BYTES = 5_000_000
ANIMATION_FRAME_MS = 140
ALPHA = 0.55


def overlay_of(recording: Recording, stamp: int) -> np.ndarray:
    """Return the node's result, with the ids of things, over the camera image, (H, W, 3) uint8 RGB."""
    return overlay(recording.camera_rgb(stamp), recording.result(stamp), recording.labels, ALPHA, with_ids=True)


def tracks_of(recording: Recording) -> np.ndarray | None:
    """Draw the TRACK_FRAMES consecutive panoptic results that show most things; None without any."""
    stamps = [stamp for stamp in recording.complete() if recording.has_segments(stamp)]
    if not stamps:
        return None
    events = recording.outputs["segments"]
    things = np.cumsum([0, *(sum(s["is_thing"] for s in events[stamp]["segments"]) for stamp in stamps)])
    first = int(np.argmax(things[TRACK_FRAMES:] - things[:-TRACK_FRAMES])) if len(stamps) > TRACK_FRAMES else 0
    shown = stamps[first : first + TRACK_FRAMES]
    frames = [
        (f"{(stamp - shown[0]) / 1e9:.1f} s", recording.camera_rgb(stamp), recording.result(stamp)) for stamp in shown
    ]
    return track_grid(frames, recording.labels, ALPHA)


def spread(stamps: list[int], count: int) -> list[int]:
    """Return at most `count` stamps, evenly spaced, including the first and the last."""
    if len(stamps) <= count:
        return stamps
    return [stamps[index] for index in np.linspace(0, len(stamps) - 1, count).round().astype(int)]


def write_pictures(recording: Recording, directory: Path) -> list[Path]:
    """Write overlay_N.png, colors_N.png and label_N.png (class ids) of frames spread over the drive."""
    paths, labels = [], recording.labels
    for number, stamp in enumerate(spread(recording.complete(), PICTURES), start=1):
        label_map = recording.map("mask", stamp)
        for_people = {"overlay": overlay_of(recording, stamp), "colors": colorize(label_map, labels)}
        pictures = {name: with_legend(pixels, labels, label_map) for name, pixels in for_people.items()}
        for name, pixels in {**pictures, "label": label_map}.items():
            path = directory / f"{name}_{number}.png"
            write_image(path, pixels)
            paths.append(path)
    return paths


def write_animation(recording: Recording, path: Path, on_frame: Callable[[], None]) -> None:
    """Write an animated WebP of at most ANIMATION_BYTES: camera on the left, overlay on the right."""
    frames: list[Image.Image] = []
    size: tuple[int, int] | None = None
    for stamp in spread(recording.complete(), ANIMATION_FRAMES):
        pictures = {"camera": recording.camera_rgb(stamp), "overlay": overlay_of(recording, stamp)}
        size = size or _fitted(pictures["camera"])
        pair = side_by_side(
            {name: cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) for name, rgb in pictures.items()}
        )
        frames.append(Image.fromarray(with_legend(pair, recording.labels, recording.map("mask", stamp))))
        on_frame()
    content = _encode(frames)
    while len(content) > ANIMATION_BYTES:
        frames = frames[::2]
        content = _encode(frames)
    write_atomically(path, content)


def _fitted(rgb: np.ndarray) -> tuple[int, int]:
    """Return (width, height) for the animation."""
    height = min(ANIMATION_HEIGHT, rgb.shape[0])
    return round(rgb.shape[1] * height / rgb.shape[0]), height


def _encode(frames: list[Image.Image]) -> bytes:
    buffer = io.BytesIO()
    options = {"duration": ANIMATION_FRAME_MS, "loop": 0, "quality": 70, "method": 3}
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], **options)
    return buffer.getvalue()
