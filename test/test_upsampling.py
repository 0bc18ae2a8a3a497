import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bisenetformer_ros.preprocess import plan_geometry
from bisenetformer_ros.results import ImageGeometry
from bisenetformer_ros.upsampling import MaskUpsampler

SIZES = [(1, 1), (7, 5), (1, 300), (500, 3), (64, 64), (65, 129), (333, 517)]
INPUT_SIZES = [None, 96, (96, 160)]


def plain_upsample(mask_logits: Tensor, geometry: ImageGeometry) -> Tensor:
    """The definition, with all masks in full: (N, h, w) → (N, H, W)."""
    padded = F.interpolate(mask_logits[None].double(), geometry.padded_size, mode="bilinear", align_corners=False)
    resized = padded[..., : geometry.resized_size[0], : geometry.resized_size[1]]
    return F.interpolate(resized, geometry.image_size, mode="bilinear", align_corners=False)[0]


def random_masks(geometry: ImageGeometry, count: int = 3) -> Tensor:
    height, width = (side // 8 for side in geometry.padded_size)
    return 5 * torch.randn(count, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("input_size", INPUT_SIZES)
@pytest.mark.parametrize("strip_bytes", [1, 20_000, 2**30])
def test_strips_are_the_plain_form_in_pieces(
    size: tuple[int, int], input_size: int | tuple[int, int] | None, strip_bytes: int
) -> None:
    geometry = plan_geometry(size, input_size)
    masks = random_masks(geometry)
    strips = list(MaskUpsampler(masks, geometry, strip_bytes))
    rows = [row for strip in strips for row in range(*strip.rows.indices(size[0]))]
    assert rows == list(range(size[0]))
    for query, expected in enumerate(plain_upsample(masks, geometry)):
        streamed = torch.cat([strip.join_tiles(strip.logits()[:, :, query]) for strip in strips])
        torch.testing.assert_close(streamed.double(), expected, rtol=0, atol=1e-5)


def test_masks_can_be_chosen_tile_by_tile() -> None:
    geometry = plan_geometry((40, 200), None)
    strip = next(iter(MaskUpsampler(random_masks(geometry), geometry, 2**30)))
    chosen = torch.tensor([[2, 0], [1, 1], [0, 2], [1, 0]])
    logits, everything = strip.logits(chosen), strip.logits()
    for tile, masks in enumerate(chosen.tolist()):
        for position, mask in enumerate(masks):
            torch.testing.assert_close(logits[:, tile, position], everything[:, tile, mask])


@pytest.mark.parametrize("size", [(65, 129), (333, 517)])
@pytest.mark.parametrize("input_size", INPUT_SIZES)
def test_bounds_hold(size: tuple[int, int], input_size: int | tuple[int, int] | None) -> None:
    geometry = plan_geometry(size, input_size)
    for strip in MaskUpsampler(random_masks(geometry), geometry, 20_000):
        lowest, highest = strip.bounds()
        logits = strip.logits()
        assert (logits.amax((0, 3)) <= highest + 1e-5).all()
        assert (logits.nan_to_num(neginf=torch.inf).amin((0, 3)) >= lowest - 1e-5).all()


def test_columns_beyond_the_image_belong_to_nobody() -> None:
    geometry = plan_geometry((32, 70), None)
    (strip,) = MaskUpsampler(random_masks(geometry), geometry, 2**30)
    logits = strip.logits()
    assert torch.isneginf(logits).sum() == 32 * (128 - 70) * 3
    assert torch.isneginf(logits[:, 1, :, 6:]).all()
