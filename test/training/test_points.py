import pytest
import torch

from bisenetformer_ros.training.points import (
    random_points,
    sample_points,
    segment_at,
    segments_at,
    uncertain_points,
)


def test_points_are_x_then_y_and_bilinear_between_pixel_centres() -> None:
    maps = torch.tensor([[[[0.0, 1.0, 2.0, 3.0], [10.0, 11.0, 12.0, 13.0]]]])
    points = torch.tensor([[[1 / 8, 1 / 4], [7 / 8, 1 / 4], [1 / 8, 3 / 4], [1 / 2, 1 / 2], [2 / 8, 1 / 4]]])
    assert sample_points(maps, points)[0, 0].tolist() == pytest.approx([0.0, 3.0, 10.0, 6.5, 0.5])


def test_beyond_the_outermost_centres_the_value_fades_to_nothing() -> None:
    assert sample_points(torch.ones(1, 1, 2, 2), torch.tensor([[[0.0, 0.5]]])).item() == pytest.approx(0.5)


def generators_of(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_the_points_of_an_image_do_not_depend_on_the_others() -> None:
    together = random_points(generators_of(5, 6, 7), [2, 0, 3], 10)
    assert together.shape == (5, 10, 2)
    assert 0 <= together.min() < 0.1
    assert 0.9 < together.max() < 1
    assert torch.equal(together[2:], random_points(generators_of(7), [3], 10))


def test_most_points_are_the_undecided_ones_of_three_times_as_many() -> None:
    ramp = torch.linspace(-4, 4, 64).expand(2, 16, 64) + torch.tensor([0.0, 2.0])[:, None, None]
    points = uncertain_points(ramp, 40, generators_of(4, 5), [1, 1])
    assert points.shape == (2, 40, 2)
    for mask, generator in enumerate(generators_of(4, 5)):
        candidates, uniform = (torch.rand(1, count, 2, generator=generator)[0] for count in (120, 10))
        undecided = sorted(
            candidates.tolist(), key=lambda p: abs(sample_points(ramp[mask, None, None], torch.tensor([[p]])))
        )
        assert sorted(points[mask, :30].tolist()) == sorted(undecided[:30])
        assert torch.equal(points[mask, 30:], uniform)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (96, 64)])
def test_segments_are_found_as_in_their_masks(size: tuple[int, int]) -> None:
    """Against bilinear sampling of one mask per segment; some pixels are in none, and some points at the border."""
    generator = torch.Generator().manual_seed(3)
    segment_maps = torch.randint(-1, 4, (3, *size), generator=generator, dtype=torch.int16)
    points = torch.rand(3, 200, 2, generator=generator)
    points[:, :4] = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 0.5], [0.5, 1.0]])
    masks = (segment_maps[:, None] == torch.arange(4)[:, None, None]).float()
    torch.testing.assert_close(segments_at(segment_maps, points, 4), sample_points(masks, points), rtol=0, atol=2e-5)

    images, segments = torch.tensor([2, 0, 2]), torch.tensor([1, 3, 0])
    expected = sample_points(masks[images, segments][:, None], points)[:, 0]
    torch.testing.assert_close(segment_at(segment_maps, images, segments, points), expected, rtol=0, atol=2e-5)
