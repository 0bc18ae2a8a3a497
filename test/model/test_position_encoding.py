import math

import pytest
import torch

from bisenetformer_ros.model.position_encoding import sine_position_encoding


def worked(row: int, column: int, height: int, width: int, channels: int) -> list[float]:
    """The encoding of one cell, one feature after the other, as DETR's appendix words it."""
    features = channels // 2
    values = []
    for coordinate, length in ((row + 1, height), (column + 1, width)):
        angle = 2 * math.pi * coordinate / (length + 1e-6)
        for pair in range(features // 2):
            frequency = 10000 ** (-2 * pair / features)
            values += [math.sin(angle * frequency), math.cos(angle * frequency)]
    return values


@pytest.mark.parametrize(("row", "column"), [(0, 0), (4, 0), (0, 6), (2, 3), (4, 6)])
def test_every_cell_equals_the_worked_formula(row: int, column: int) -> None:
    encoding = sine_position_encoding(5, 7, 16)
    assert encoding.shape == (1, 16, 5, 7)
    assert encoding[0, :, row, column].tolist() == pytest.approx(worked(row, column, 5, 7, 16), abs=1e-6)


def test_the_first_half_is_the_row_and_the_second_the_column() -> None:
    encoding = sine_position_encoding(4, 6, 256)[0]
    rows, columns = encoding[:128], encoding[128:]
    assert torch.equal(rows, rows[:, :, :1].expand_as(rows))
    assert torch.equal(columns, columns[:, :1, :].expand_as(columns))
    assert not torch.equal(rows[:, 0, 0], rows[:, 1, 0])
    assert not torch.equal(columns[:, 0, 0], columns[:, 0, 1])
