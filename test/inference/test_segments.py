import numpy as np

from bisenetformer_ros.inference.segments import Region, measure_regions


def test_regions_of_a_small_map_counted_by_hand() -> None:
    ids = np.array(
        [
            [0, 1, 1, 0, 2],
            [0, 1, 0, 0, 0],
            [2, 0, 0, 0, 0],
        ],
        np.uint16,
    )
    assert measure_regions(ids, 2) == [
        Region(area=3, box_xyxy=(1, 0, 3, 2), centroid_xy=(4 / 3, 1 / 3)),
        Region(area=2, box_xyxy=(0, 0, 5, 3), centroid_xy=(2.0, 1.0)),
    ]


def test_an_id_without_pixels_has_no_region() -> None:
    assert measure_regions(np.full((2, 2), 3, np.uint16), 4) == [None, None, Region(4, (0, 0, 2, 2), (0.5, 0.5)), None]
    assert measure_regions(np.zeros((2, 2), np.uint16), 0) == []


def test_regions_equal_those_measured_one_by_one() -> None:
    ids = np.random.default_rng(0).integers(0, 300, (211, 97)).astype(np.uint16)
    for region_id, region in enumerate(measure_regions(ids, 299), start=1):
        rows, columns = np.nonzero(ids == region_id)
        assert region is not None
        assert region.area == len(rows)
        assert region.box_xyxy == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        np.testing.assert_allclose(region.centroid_xy, (columns.mean(), rows.mean()))
