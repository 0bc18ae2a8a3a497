import pytest
import torch

from bisenetformer_ros.training.points import sample_points, uncertain_points


def test_points_are_x_then_y_and_bilinear_between_pixel_centres() -> None:
    maps = torch.tensor([[[[0.0, 1.0, 2.0, 3.0], [10.0, 11.0, 12.0, 13.0]]]])
    points = torch.tensor([[[1 / 8, 1 / 4], [7 / 8, 1 / 4], [1 / 8, 3 / 4], [1 / 2, 1 / 2], [2 / 8, 1 / 4]]])
    assert sample_points(maps, points)[0, 0].tolist() == pytest.approx([0.0, 3.0, 10.0, 6.5, 0.5])


def test_beyond_the_outermost_centres_the_value_fades_to_nothing() -> None:
    assert sample_points(torch.ones(1, 1, 2, 2), torch.tensor([[[0.0, 0.5]]])).item() == pytest.approx(0.5)


def test_most_points_are_the_undecided_ones_of_three_times_as_many() -> None:
    ramp = torch.linspace(-4, 4, 64).expand(2, 16, 64) + torch.tensor([0.0, 2.0])[:, None, None]
    torch.manual_seed(4)
    points = uncertain_points(ramp, 40)
    torch.manual_seed(4)
    candidates, uniform = torch.rand(2, 120, 2), torch.rand(2, 10, 2)
    assert points.shape == (2, 40, 2)
    assert torch.equal(points[:, 30:], uniform)
    for mask in range(2):
        undecided = sorted(
            candidates[mask].tolist(), key=lambda p: abs(sample_points(ramp[mask, None, None], torch.tensor([[p]])))
        )
        assert sorted(points[mask, :30].tolist()) == sorted(undecided[:30])
