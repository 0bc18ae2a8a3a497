"""Write a small labelled data set, as a labelling tool would export it: images, label PNGs and instance PNGs.

python make_yard.py

The pictures are rendered streets. Their labels get five classes of a robot's own, with the values of yard.yaml.
"""

from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.streets import StreetDrive

DRIVES = {"train": (1, 2, 3, 4, 5, 6), "val": (7, 8)}
FRAMES_PER_DRIVE = 4
SIZE = (240, 320)
VALUES = {
    "drivable": (10, ["road", "pavement"]),
    "obstacle": (20, ["building", "tree", "fence", "pole", "sign_symbol"]),
    "vehicle": (30, ["car"]),
    "person": (40, ["pedestrian", "bicyclist"]),
    "sky": (50, ["sky"]),
}


def value_table() -> np.ndarray:
    """Return (256,) uint8: class id of the rendered street → value in the label PNGs."""
    values = {name: value for value, names in VALUES.values() for name in names}
    table = np.zeros(256, np.uint8)
    for label in LabelMap.load("camvid11"):
        table[label.id] = values[label.name]
    return table


def main() -> None:
    table = value_table()
    for split, seeds in DRIVES.items():
        for kind in ("images", "labels", "instances"):
            Path("yard", kind, split).mkdir(parents=True, exist_ok=True)
        for seed in seeds:
            drive = StreetDrive(seed, FRAMES_PER_DRIVE, size=SIZE, frame_rate_hz=1.0)
            for number, frame in enumerate(drive):
                name = f"{seed:02d}_{number:04d}"
                cv2.imwrite(f"yard/images/{split}/{name}.jpg", frame.rgb[..., ::-1])
                cv2.imwrite(f"yard/labels/{split}/{name}.png", table[frame.label_map])
                cv2.imwrite(f"yard/instances/{split}/{name}.png", frame.instance_map)


if __name__ == "__main__":
    main()
