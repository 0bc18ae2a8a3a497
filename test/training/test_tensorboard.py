from pathlib import Path

import numpy as np
import pytest

from bisenetformer_ros.training.tensorboard import TensorBoard

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard")


def test_curves_and_pictures_are_read_back(tmp_path: Path) -> None:
    """Also those of a run that went on from iteration 2: what was drawn after it is gone."""
    rgb = np.full((4, 6, 3), (200, 100, 50), np.uint8)
    with TensorBoard(tmp_path, 0) as board:
        for iteration in (1, 2, 3):
            board.on_iteration(
                iteration, {"loss": 8.0 / iteration, "dice": 1.0, "learning_rate": 0.5, "data_s": 0.25, "step_s": 2.0}
            )
        board.on_validation(2, {"miou": 0.5, "pq": 0.25}, [("scene", rgb)])
    with TensorBoard(tmp_path, 2) as board:
        board.on_iteration(3, {"loss": 7.0})
    events = accumulator.EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {
        *("loss/loss", "loss/dice", "optimizer/learning_rate", "time/data_s", "time/step_s"),
        *("validation/miou", "validation/pq"),
    }
    assert [(event.step, event.value) for event in events.Scalars("loss/loss")] == [(1, 8.0), (2, 4.0), (3, 7.0)]
    assert [(event.step, event.value) for event in events.Scalars("validation/miou")] == [(2, 0.5)]
    (image,) = events.Images("scene")
    assert (image.step, image.height, image.width) == (2, 4, 6)
