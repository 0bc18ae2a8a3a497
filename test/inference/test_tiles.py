import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bisenetformer_ros.inference.preprocess import plan_geometry
from bisenetformer_ros.inference.tiles import TILE_HEIGHT, TILE_WIDTH, MaskTiles
from bisenetformer_ros.results import ImageGeometry

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


def logits_of_all(tiles: MaskTiles, count: int, num_bytes: int = 2**30) -> Tensor:
    """(T, N, P), batch by batch."""
    counts = torch.full((len(tiles.new_map(torch.uint8)),), count)
    logits = torch.full((len(counts), count, tiles.num_pixels), torch.nan)
    for batch, most in tiles.batches(counts, num_bytes):
        assert most == count
        logits[batch] = tiles.logits(batch, torch.arange(count).expand(len(batch), -1))
    return logits


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("input_size", INPUT_SIZES)
@pytest.mark.parametrize("num_bytes", [1, 100_000, 2**30])
def test_tiles_equal_the_plain_form(
    size: tuple[int, int], input_size: int | tuple[int, int] | None, num_bytes: int
) -> None:
    geometry = plan_geometry(size, input_size)
    masks = random_masks(geometry)
    tiles = MaskTiles(masks, geometry)
    joined = torch.stack([tiles.assemble(logits) for logits in logits_of_all(tiles, len(masks), num_bytes).unbind(1)])
    torch.testing.assert_close(joined.double(), plain_upsample(masks, geometry), rtol=0, atol=1e-5)


def test_masks_are_chosen_per_tile() -> None:
    geometry = plan_geometry((40, 200), None)
    tiles = MaskTiles(random_masks(geometry), geometry)
    everything = logits_of_all(tiles, 3)
    numbers, chosen = torch.tensor([6, 0, 3]), torch.tensor([[2, 0], [1, 1], [0, 2]])
    for tile, masks, logits in zip(numbers, chosen, tiles.logits(numbers, chosen), strict=True):
        torch.testing.assert_close(logits, everything[tile, masks])


def test_batches_cover_all_tiles_within_the_byte_limit() -> None:
    geometry = plan_geometry((TILE_HEIGHT * 2, TILE_WIDTH * 3), None)
    tiles = MaskTiles(random_masks(geometry), geometry)
    of_one_mask = 4 * TILE_HEIGHT * TILE_WIDTH
    batches = [
        (batch.tolist(), most) for batch, most in tiles.batches(torch.tensor([0, 9, 1, 2, 1, 2]), 27 * of_one_mask)
    ]
    assert [most for _, most in batches] == [9, 2, 1]
    assert [sorted(batch) for batch, _ in batches] == [[1], [3, 5], [0, 2, 4]]


@pytest.mark.parametrize("size", [(65, 129), (333, 517)])
@pytest.mark.parametrize("input_size", INPUT_SIZES)
def test_bounds_hold(size: tuple[int, int], input_size: int | tuple[int, int] | None) -> None:
    geometry = plan_geometry(size, input_size)
    tiles = MaskTiles(random_masks(geometry), geometry)
    lowest, highest = tiles.bounds()
    logits = logits_of_all(tiles, 3)
    inside = tiles.inside[:, None].expand_as(logits)
    assert (logits.masked_fill(~inside, -torch.inf).amax(2) <= highest + 1e-5).all()
    assert (logits.masked_fill(~inside, torch.inf).amin(2) >= lowest - 1e-5).all()


def test_inside_marks_the_image() -> None:
    geometry = plan_geometry((41, 67), None)  # primes: no smaller tile divides them
    tiles = MaskTiles(random_masks(geometry), geometry)
    beyond = 41 - TILE_HEIGHT, 67 - TILE_WIDTH
    assert tiles.inside.sum(1).tolist() == [
        TILE_HEIGHT * TILE_WIDTH,
        TILE_HEIGHT * beyond[1],
        beyond[0] * TILE_WIDTH,
        beyond[0] * beyond[1],
    ]
    assert tiles.assemble(tiles.inside).all()
    assert tiles.assemble(tiles.inside).is_contiguous()


@pytest.mark.parametrize(
    ("size", "num_tiles", "num_pixels"),
    [((32, 64), 1, 32 * 64), ((360, 480), 12 * 8, 30 * 60), ((720, 1280), 24 * 20, 30 * 64), ((34, 66), 4, 17 * 33)],
)
def test_tiles_divide_the_image_where_they_can(size: tuple[int, int], num_tiles: int, num_pixels: int) -> None:
    geometry = plan_geometry(size, None)
    tiles = MaskTiles(random_masks(geometry), geometry)
    assert tiles.inside is None
    assert tiles.new_map(torch.uint8).shape == (num_tiles, num_pixels)
