from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bisenetformer_ros.data.catalog import open_dataset, open_sources
from bisenetformer_ros.data.rendered import RenderedDrives
from bisenetformer_ros.data.synthetic import StreetDrive
from bisenetformer_ros.errors import ConfigError, DataError

TINY = {"first_seed": 5, "num_drives": 2, "frames_per_drive": 2, "size": (36, 48)}


def test_rendered_drives_are_frames_spread_over_drives() -> None:
    dataset = RenderedDrives(**TINY)
    assert [sample.name for sample in dataset.samples] == ["drive5_000", "drive5_059", "drive6_000", "drive6_059"]
    frame = StreetDrive(6, size=(36, 48))[59]
    sample = dataset[3]
    np.testing.assert_array_equal(sample.rgb, frame.rgb)
    np.testing.assert_array_equal(sample.label_map, frame.label_map)
    np.testing.assert_array_equal(sample.instance_map, frame.instance_map)
    assert sample.instance_map.dtype == np.int32


def test_sources_of_a_recipe_are_opened_in_order() -> None:
    sources = ({"kind": "synthetic", "weight": 2.0, **TINY}, {"kind": "synthetic", **TINY, "num_drives": 1})
    assert [len(dataset) for dataset in open_sources(sources, root=None)] == [4, 2]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kind": "kitti"}, ConfigError, "unknown data set 'kitti', expected camvid or synthetic"),
        ({"kind": "camvid"}, ConfigError, "camvid needs --root DIR"),
        ({"kind": "camvid", "root": Path("nowhere"), "split": "val"}, ConfigError, "split"),
        ({"kind": "camvid", "root": Path("nowhere")}, DataError, "no images in nowhere"),
        ({"kind": "synthetic", "drives": 3}, ConfigError, "data set synthetic: .*drives"),
    ],
)
def test_what_cannot_be_opened_is_told(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_dataset(**arguments)
