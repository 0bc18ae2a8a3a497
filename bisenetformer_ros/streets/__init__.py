"""Synthetic drives through streets, with exact labels, for the demo, the tests and training."""

from bisenetformer_ros.streets.canvas import LABEL_MAP
from bisenetformer_ros.streets.drive import StreetDrive, SyntheticFrame, ThingBox, render_drives

__all__ = ["LABEL_MAP", "StreetDrive", "SyntheticFrame", "ThingBox", "render_drives"]
