import numpy as np

from bisenetformer_ros.data.instances import MIN_INSTANCE_AREA, connected_instances

ROAD, CAR, PEDESTRIAN = 3, 8, 9


def test_instances_are_the_connected_components_of_each_thing_class() -> None:
    picture = [
        "CCCCCC......CCCCCC",
        "CCCCCC......CCCCCC",
        "CCCCCC......CCCCCC",
        "CCCCCC......CCCCCC",
        "CCCCCCPPPPP.CCCCCC",
        "......PPPPPC......",  # touches the right car by a corner
        "......PPPPP.......",
        "C.....PPPPP.....P.",  # too small
        "......PPPPP.......",
    ]
    codes = {".": ROAD, "C": CAR, "P": PEDESTRIAN}
    label_map = np.array([[codes[letter] for letter in row] for row in picture], np.uint8)
    instances = connected_instances(label_map, thing_ids=(CAR, PEDESTRIAN))
    expected = np.zeros(label_map.shape, np.int32)
    expected[:5, :6] = 1
    expected[:5, 12:] = 2
    expected[5, 11] = 2
    expected[4:, 6:11] = 3
    np.testing.assert_array_equal(instances, expected)


def test_the_least_instance_has_the_least_area() -> None:
    label_map = np.full((3, 2 * MIN_INSTANCE_AREA + 1), ROAD, np.uint8)
    label_map[1, :MIN_INSTANCE_AREA] = CAR
    label_map[1, MIN_INSTANCE_AREA + 2 :] = CAR
    areas = np.bincount(connected_instances(label_map, (CAR,)).reshape(-1))
    assert areas[1:].tolist() == [MIN_INSTANCE_AREA]
