"""Pre- and post-processing of a recorded frame as single passes on the GPU, in Triton.

The operators of `graph` write every intermediate result to memory: 100 masks of 1024x2048 are 800 MiB, several times
over. These kernels interpolate the mask logits of a pixel in registers, so only the logits at 1/8 are read and only the
outputs written. They have fixed shapes and never wait for the host, as a CUDA graph requires.

Results equal those of `postprocess` and `graph`, with the same interpolation weights. Rounding may differ in the last
bits of a float32: a pixel's taps are summed at once rather than by axis, the GPU contracts products and sums, and its
exponential is approximate. That may change which of two equal scores wins, and the confidence by one step.

Importing this module needs Triton, which PyTorch's CUDA wheels bring along. Not run on a GPU.
"""

import numpy as np
import torch
import triton
from torch import Tensor, nn

from bisenetformer_ros.inference import kernels
from bisenetformer_ros.inference.graph.contract import NO_QUERY
from bisenetformer_ros.inference.graph.input import FrameInput, resize_taps
from bisenetformer_ros.inference.graph.module import MASK_STRIDE, SegmentationGraph
from bisenetformer_ros.inference.graph.outputs import SemanticOutput
from bisenetformer_ros.inference.postprocess import SemanticOrder, plan_sum
from bisenetformer_ros.inference.resize import ResizeBlocks
from bisenetformer_ros.inference.tiles import TILE_HEIGHT, TILE_WIDTH, plan_mask_resize, tile_length
from bisenetformer_ros.results import ImageGeometry

BLOCK_PIXELS = 256
"""Pixels of one program."""
BLOCK_SCORES = 8192
"""Most class scores of one program: 32 registers for each of 256 threads."""
WARPS = 8

NUM_SUMS = 9
"""Columns of the panoptic kernel's table: mask, owned and region area, sums of x and y, then W - x_min, H - y_min,
x_max and y_max. Each is a sum or a maximum that starts at 0."""


def fuse(graph: SegmentationGraph) -> None:
    """Replace the parts of `graph` before and after the network by kernels, in place."""
    frame_input, output = graph.frame_input, graph.output
    assert isinstance(frame_input, FrameInput)
    geometry = frame_input.geometry
    graph.frame_input = FusedInput(frame_input, graph.network.dtype)
    if isinstance(output, SemanticOutput):
        graph.output = FusedSemantic(output.num_classes, geometry, output.order)
    else:
        graph.output = FusedPanoptic(geometry)


def try_kernels(device: torch.device) -> None:
    """Compile and run every kernel on a small image. Raises what Triton raises if it cannot."""
    geometry = ImageGeometry((8, 8), (8, 8), (32, 32))
    masks, classes = torch.zeros(1, 2, 4, 4, device=device), torch.zeros(1, 2, 4, device=device)
    frame_input = FusedInput(FrameInput(geometry, (0.0,) * 3, (1.0,) * 3, "rgb"), torch.float32).to(device)
    frame_input(torch.zeros(1, 8, 8, 3, dtype=torch.uint8, device=device))
    FusedPanoptic(geometry).to(device)(classes, masks, torch.zeros((), device=device))
    orders: tuple[SemanticOrder, ...] = ("full", "coarse")
    for order in orders:
        FusedSemantic(3, geometry, order).to(device)(classes, masks)


class Taps(nn.Module):
    """The resize matrix of one axis, output by output: sources first[i], first[i] + 1, … with weights[i]."""

    first: Tensor
    weights: Tensor

    def __init__(self, blocks: ResizeBlocks) -> None:
        super().__init__()
        self.count = blocks.num_taps
        self.register_buffer("first", torch.from_numpy(blocks.first.astype(np.int32)))
        self.register_buffer("weights", torch.from_numpy(blocks.weights[:, 0]).contiguous())


class FusedInput(nn.Module):
    """`FrameInput` in one pass, into channels-last images of the network's type."""

    def __init__(self, replaced: FrameInput, dtype: torch.dtype) -> None:
        super().__init__()
        self.geometry, self.dtype = replaced.geometry, dtype
        self.register_buffer("mean", replaced.mean)
        self.register_buffer("scale", replaced.scale)
        sizes = zip(self.geometry.image_size, resize_taps(self.geometry), strict=True)
        self.rows, self.columns = (Taps(ResizeBlocks.plan(taps, size, 1)) for size, taps in sizes)

    def forward(self, frames: Tensor) -> Tensor:
        """See `FrameInput.forward`; of type `dtype`."""
        height, width = self.geometry.padded_size
        images = frames.new_empty((len(frames), height, width, 3), dtype=self.dtype)
        kernels.normalize[triton.cdiv(height * width, BLOCK_PIXELS), len(frames)](
            *(frames, images, self.get_buffer("mean"), self.get_buffer("scale")),
            *(self.rows.first, self.rows.weights, self.columns.first, self.columns.weights),
            *(self.rows.count, self.columns.count, *self.geometry.image_size, *self.geometry.resized_size),
            *(height, width),
            BLOCK=BLOCK_PIXELS,
            num_warps=WARPS,
        )
        return images.permute(0, 3, 1, 2)


class FusedOutput(nn.Module):
    """What both tasks share: tiles as in `MaskTiles`, and the taps of every row and column of the image."""

    def __init__(self, geometry: ImageGeometry) -> None:
        super().__init__()
        self.image_size = geometry.image_size
        self.mask_size = geometry.padded_size[0] // MASK_STRIDE, geometry.padded_size[1] // MASK_STRIDE
        self.rows, self.columns = map(Taps, plan_mask_resize(self.mask_size, geometry, (1, 1)))
        height, width = geometry.image_size
        self.tile_size = tile_length(height, TILE_HEIGHT), tile_length(width, TILE_WIDTH)
        self.grid = triton.cdiv(height, self.tile_size[0]), triton.cdiv(width, self.tile_size[1])

    def launch(self, kernel: object, maps: Tensor, *arguments: Tensor | int, block: int, **constants: int) -> None:
        """Run a kernel on maps (B, N, h, w), one program per `block` pixels of a tile."""
        parts = triton.cdiv(self.tile_size[0] * self.tile_size[1], block)
        kernel[self.grid[0] * self.grid[1], parts, len(maps)](  # type: ignore[index]
            *(maps, self.rows.first, self.rows.weights, self.columns.first, self.columns.weights),
            *(self.rows.count, self.columns.count, *self.image_size, *self.mask_size, *self.tile_size),
            *(self.grid[1], maps.shape[1], *arguments),
            TAPS=triton.next_power_of_2(self.rows.count * self.columns.count),
            BLOCK=block,
            num_warps=WARPS,
            **constants,
        )


class FusedSemantic(FusedOutput):
    """`SemanticOutput` in one pass, which skips masks in "full" order as `postprocess_semantic` does."""

    def __init__(self, num_classes: int, geometry: ImageGeometry, order: SemanticOrder = "full") -> None:
        super().__init__(geometry)
        self.num_classes, self.order = num_classes, order
        rows, columns = plan_mask_resize(self.mask_size, geometry, self.tile_size)
        self.row_taps, self.column_taps = rows.num_taps, columns.num_taps
        self.register_buffer("tile_rows", torch.from_numpy(rows.sources.flatten()))
        self.register_buffer("tile_columns", torch.from_numpy(columns.sources.flatten()))

    def forward(self, class_logits: Tensor, mask_logits: Tensor) -> tuple[Tensor, Tensor]:
        """See `SemanticOutput.forward`; mask_logits may have 16 bits."""
        probabilities = class_logits.softmax(dim=2)[:, :, : self.num_classes].contiguous()
        labels = mask_logits.new_empty((len(mask_logits), *self.image_size), dtype=torch.uint8)
        confidence = torch.empty_like(labels)
        if self.order == "coarse":
            probabilities_of_masks = mask_logits.float().sigmoid().flatten(2)
            maps = torch.matmul(probabilities.transpose(1, 2), probabilities_of_masks).unflatten(2, self.mask_size)
            self.launch(kernels.find_largest, maps.contiguous(), labels, confidence, block=BLOCK_PIXELS)
            return labels, confidence
        lowest, highest = self._bounds(mask_logits)
        middle, queries, counts = plan_sum(lowest.sigmoid(), highest.sigmoid(), probabilities)
        ranks = torch.arange(queries.shape[2], device=queries.device)
        summed = torch.zeros_like(middle).scatter(2, queries, (ranks < counts[:, :, None]).float())
        constant = torch.matmul(middle * (1 - summed), probabilities)
        classes = triton.next_power_of_2(self.num_classes)
        block = min(BLOCK_PIXELS, BLOCK_SCORES // classes)
        tables = probabilities, constant, queries.int(), counts.int()
        self.launch(
            *(kernels.sum_classes, mask_logits.contiguous(), *tables, self.num_classes, labels, confidence),
            block=block,
            CLASSES=classes,
        )
        return labels, confidence

    def _bounds(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """`MaskTiles.bounds` for (B, N, h, w), by columns and then by rows: (B, T, N) each."""
        columns = maps.index_select(3, self.get_buffer("tile_columns")).unflatten(3, (-1, self.column_taps))
        lowest, highest = (
            bound.index_select(2, self.get_buffer("tile_rows")).unflatten(2, (-1, self.row_taps))
            for bound in torch.aminmax(columns, dim=4)
        )
        bounds = lowest.amin(dim=3), highest.amax(dim=3)
        lowest, highest = (bound.flatten(2).transpose(1, 2).float().contiguous() for bound in bounds)
        return lowest, highest


class FusedPanoptic(FusedOutput):
    """`PanopticOutput` in one pass."""

    def forward(
        self, class_logits: Tensor, mask_logits: Tensor, score_threshold: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See `PanopticOutput.forward`; mask_logits may have 16 bits."""
        scores, classes = class_logits.softmax(dim=2).max(dim=2)
        kept = (classes != class_logits.shape[2] - 1) & (scores > score_threshold)
        query_map = mask_logits.new_empty((len(mask_logits), *self.image_size), dtype=torch.uint8)
        confidence = torch.empty_like(query_map)
        sums = torch.zeros((*scores.shape, NUM_SUMS), dtype=torch.int64, device=scores.device)
        kept_scores = (scores * kept).contiguous()
        self.launch(
            *(kernels.assign_pixels, mask_logits.contiguous(), kept_scores, query_map, confidence, sums),
            block=BLOCK_PIXELS,
            NO_QUERY=NO_QUERY,
            NUM_SUMS=NUM_SUMS,
        )
        mask_area, owned_area, area, x_sum, y_sum, from_right, from_bottom, x_max, y_max = sums.unbind(2)
        height, width = self.image_size
        x_min, y_min = ((width - from_right) * (area > 0), (height - from_bottom) * (area > 0))
        means = (total.double() / area.clamp(min=1) for total in (x_sum, y_sum))
        table = [classes, scores, owned_area, mask_area, area, x_min, y_min, x_max, y_max, *means]
        return query_map, confidence, torch.stack([column.float() for column in table], dim=2)
