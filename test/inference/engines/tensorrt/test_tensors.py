import numpy as np
import pytest

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.engines.tensorrt.tensors import DYNAMIC, TensorSpec, check_tensors, numpy_type

FRAMES = TensorSpec("frames", True, "uint8", (DYNAMIC, 360, 480, 3))
SCORES = TensorSpec("query_table", False, "float32", (DYNAMIC, 100, 9))


@pytest.mark.parametrize(
    ("spec", "batch", "shape", "num_bytes"),
    [
        (FRAMES, 2, (2, 360, 480, 3), 2 * 360 * 480 * 3),
        (SCORES, 3, (3, 100, 9), 3 * 100 * 9 * 4),
        (TensorSpec("score_threshold", True, "float32", ()), 5, (), 4),
        (TensorSpec("label_map", False, "uint8", (1, 360, 480)), 1, (1, 360, 480), 360 * 480),
        (TensorSpec("areas", False, "int64", (1, 7)), 1, (1, 7), 56),
    ],
)
def test_room_for_a_batch(spec: TensorSpec, batch: int, shape: tuple[int, ...], num_bytes: int) -> None:
    assert spec.array_shape(batch) == shape
    assert spec.num_bytes(batch) == num_bytes == np.empty(shape, spec.dtype).nbytes


def test_types_that_numpy_has() -> None:
    assert np.dtype(numpy_type("HALF", "frames")) == np.float16
    assert np.dtype(numpy_type("BOOL", "frames")) == np.bool_


@pytest.mark.parametrize("name", ["BF16", "FP8", "INT4", "float", ""])
def test_a_type_without_a_numpy_equivalent_is_rejected_with_its_tensor(name: str) -> None:
    with pytest.raises(EngineError, match=f"tensor 'mask' has TensorRT type {name}, expected one of FLOAT, HALF"):
        numpy_type(name, "mask")


def test_the_order_of_tensors_is_of_no_importance() -> None:
    check_tensors([FRAMES, SCORES], [SCORES, FRAMES], "a.engine")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([FRAMES], r"a.engine: expected output query_table float32\[-1, 100, 9\]; found nothing else"),
        ([FRAMES, SCORES, TensorSpec("x", True, "int8", ())], r"expected nothing else; found input x int8\[\]"),
        (
            [TensorSpec("frames", True, "uint8", (1, 360, 640, 3)), SCORES],
            r"expected input frames uint8\[-1, 360, 480, 3\]; found input frames uint8\[1, 360, 640, 3\]",
        ),
    ],
)
def test_tensors_that_differ_are_named_on_both_sides(found: list[TensorSpec], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        check_tensors([FRAMES, SCORES], found, "a.engine")
