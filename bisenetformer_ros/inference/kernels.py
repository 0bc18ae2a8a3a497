"""The Triton kernels of `fused`: one program per BLOCK pixels, whose values stay in registers."""

import triton
import triton.language as tl

SIZES = (
    *("height", "width", "map_height", "map_width", "tile_height", "tile_width", "grid_columns", "row_taps"),
    *("column_taps", "resized_height", "resized_width", "padded_height", "padded_width", "num_queries", "num_classes"),
)
"""Not compiled into a kernel, or every frame size would wait for the compiler."""


@triton.jit
def _sources(
    row_first, row_weights, column_first, column_weights, row_taps, column_taps,
    height, width, map_width, tile_height, tile_width, grid_columns, TAPS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Return what this program's pixels are interpolated from, the same for all maps, and where they are.

    Whether they belong to tile and image (BLOCK,), their place in the batch of images (BLOCK,), and the places in a map
    and weights of their sources (BLOCK, TAPS).
    """
    tile = tl.program_id(0)
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    y = tile // grid_columns * tile_height + pixel // tile_width
    x = tile % grid_columns * tile_width + pixel % tile_width
    inside = (pixel < tile_height * tile_width) & (y < height) & (x < width)
    y, x = tl.where(inside, y, 0), tl.where(inside, x, 0)
    tap = tl.arange(0, TAPS)[None, :]
    row, column = tap // column_taps, tap % column_taps
    exists = row < row_taps  # TAPS is a power of 2
    row_weight = tl.load(row_weights + y[:, None] * row_taps + row, mask=exists, other=0.0)
    column_weight = tl.load(column_weights + x[:, None] * column_taps + column)
    places = (tl.load(row_first + y)[:, None] + row) * map_width + tl.load(column_first + x)[:, None] + column
    target = (tl.program_id(2) * height + y) * width + x
    return inside, target, tl.where(exists, places, 0), row_weight * column_weight


@triton.jit
def _interpolate(one_map, places, weights):
    """Return a map's value at every pixel, (BLOCK,) float32."""
    return tl.sum(tl.load(one_map + places).to(tl.float32) * weights, axis=1)


@triton.jit
def _to_byte(probability):
    """Round 0..1 to 0..255."""
    return (tl.minimum(tl.maximum(probability, 0.0), 1.0) * 255.0 + 0.5).to(tl.int32).to(tl.uint8)


@triton.jit(do_not_specialize=SIZES)
def sum_classes(
    masks, row_first, row_weights, column_first, column_weights, row_taps, column_taps,
    height, width, map_height, map_width, tile_height, tile_width, grid_columns,
    num_queries, probabilities, constant, queries, counts, num_classes, labels, confidence,
    TAPS: tl.constexpr, BLOCK: tl.constexpr, CLASSES: tl.constexpr,
):  # fmt: skip
    """Write class and score of every pixel: a constant of the tile and the masks that vary in it, summed by class."""
    frame, tile = tl.program_id(2), tl.program_id(2) * tl.num_programs(0) + tl.program_id(0)
    inside, target, places, weights = _sources(
        row_first, row_weights, column_first, column_weights, row_taps, column_taps,
        height, width, map_width, tile_height, tile_width, grid_columns, TAPS, BLOCK,
    )  # fmt: skip
    classes = tl.arange(0, CLASSES)
    exists = classes < num_classes
    start = tl.load(constant + tile * num_classes + classes, mask=exists, other=-1.0)  # below every score
    scores = tl.zeros([BLOCK, CLASSES], tl.float32) + start[None, :]
    for place in range(tl.load(counts + tile)):
        query = frame * num_queries + tl.load(queries + tile * num_queries + place)
        mask = tl.sigmoid(_interpolate(masks + query * map_height * map_width, places, weights))
        of_classes = tl.load(probabilities + query * num_classes + classes, mask=exists, other=0.0)
        scores += mask[:, None] * of_classes[None, :]
    best, label = tl.max(scores, axis=1, return_indices=True)
    tl.store(labels + target, label.to(tl.uint8), mask=inside)
    tl.store(confidence + target, _to_byte(best), mask=inside)


@triton.jit(do_not_specialize=SIZES)
def find_largest(
    maps, row_first, row_weights, column_first, column_weights, row_taps, column_taps,
    height, width, map_height, map_width, tile_height, tile_width, grid_columns,
    num_maps, labels, confidence,
    TAPS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write the largest of the maps at every pixel and its value."""
    frame = tl.program_id(2)
    inside, target, places, weights = _sources(
        row_first, row_weights, column_first, column_weights, row_taps, column_taps,
        height, width, map_width, tile_height, tile_width, grid_columns, TAPS, BLOCK,
    )  # fmt: skip
    best, label = tl.full([BLOCK], -1.0, tl.float32), tl.zeros([BLOCK], tl.int32)
    for number in range(num_maps):
        value = _interpolate(maps + (frame * num_maps + number) * map_height * map_width, places, weights)
        label = tl.where(value > best, number, label)
        best = tl.maximum(value, best)
    tl.store(labels + target, label.to(tl.uint8), mask=inside)
    tl.store(confidence + target, _to_byte(best), mask=inside)


@triton.jit(do_not_specialize=SIZES)
def assign_pixels(
    masks, row_first, row_weights, column_first, column_weights, row_taps, column_taps,
    height, width, map_height, map_width, tile_height, tile_width, grid_columns,
    num_queries, scores, query_map, confidence, sums,
    TAPS: tl.constexpr, BLOCK: tl.constexpr, NO_QUERY: tl.constexpr, NUM_SUMS: tl.constexpr,
):  # fmt: skip
    """Write region and confidence of every pixel, and add to the queries' NUM_SUMS. A score of 0 skips a query."""
    first_query = tl.program_id(2) * num_queries
    inside, target, places, weights = _sources(
        row_first, row_weights, column_first, column_weights, row_taps, column_taps,
        height, width, map_width, tile_height, tile_width, grid_columns, TAPS, BLOCK,
    )  # fmt: skip
    y, x = target // width % height, target % width
    best, owner = tl.zeros([BLOCK], tl.float32) - 1.0, tl.full([BLOCK], NO_QUERY, tl.int32)
    in_region = tl.zeros([BLOCK], tl.int32)
    for query in range(num_queries):
        score = tl.load(scores + first_query + query)
        if score > 0:
            mask = tl.sigmoid(_interpolate(masks + (first_query + query) * map_height * map_width, places, weights))
            solid = ((mask >= 0.5) & inside).to(tl.int32)
            tl.atomic_add(sums + (first_query + query) * NUM_SUMS, tl.sum(solid).to(tl.int64))
            larger = score * mask > best  # the first of equal ones owns the pixel
            owner = tl.where(larger, query, owner)
            in_region = tl.where(larger, solid, in_region)
            best = tl.where(larger, score * mask, best)
    tl.store(query_map + target, tl.where(in_region > 0, owner, NO_QUERY).to(tl.uint8), mask=inside)
    tl.store(confidence + target, _to_byte(best * in_region), mask=inside)
    for query in range(num_queries):
        if tl.load(scores + first_query + query) > 0:
            owned = ((owner == query) & inside).to(tl.int32)
            num_owned = tl.sum(owned)
            if num_owned > 0:
                region = owned * in_region
                sums_of_query = sums + (first_query + query) * NUM_SUMS
                tl.atomic_add(sums_of_query + 1, num_owned.to(tl.int64))
                tl.atomic_add(sums_of_query + 2, tl.sum(region).to(tl.int64))
                tl.atomic_add(sums_of_query + 3, tl.sum(region * x).to(tl.int64))
                tl.atomic_add(sums_of_query + 4, tl.sum(region * y).to(tl.int64))
                tl.atomic_max(sums_of_query + 5, tl.max(region * (width - x)).to(tl.int64))
                tl.atomic_max(sums_of_query + 6, tl.max(region * (height - y)).to(tl.int64))
                tl.atomic_max(sums_of_query + 7, tl.max(region * (x + 1)).to(tl.int64))
                tl.atomic_max(sums_of_query + 8, tl.max(region * (y + 1)).to(tl.int64))


@triton.jit(do_not_specialize=SIZES)
def normalize(
    frames, images, mean, scale, row_first, row_weights, column_first, column_weights, row_taps, column_taps,
    height, width, resized_height, resized_width, padded_height, padded_width, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write (value - mean) · scale of every pixel of the padded image, 0 in the padding."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    y, x = pixel // padded_width, pixel % padded_width
    inside = (y < resized_height) & (x < resized_width)
    y, x = tl.where(inside, y, 0), tl.where(inside, x, 0)
    channel = tl.arange(0, 4)[None, :]  # a power of 2
    exists = channel < 3
    frame = frames + tl.program_id(1) * height * width * 3
    top, left = tl.load(row_first + y), tl.load(column_first + x)
    value = tl.zeros([BLOCK, 4], tl.float32)
    for column in range(column_taps):
        of_rows = tl.zeros([BLOCK, 4], tl.float32)
        for row in range(row_taps):
            source = ((top + row) * width + left + column) * 3
            weight = tl.load(row_weights + y * row_taps + row)
            of_rows += weight[:, None] * tl.load(frame + source[:, None] + channel, mask=exists, other=0).to(tl.float32)
        value += tl.load(column_weights + x * column_taps + column)[:, None] * of_rows
    value = (value - tl.load(mean + channel, mask=exists, other=0.0)) * tl.load(scale + channel, mask=exists, other=0.0)
    value = tl.where(inside[:, None], value, 0.0).to(images.dtype.element_ty)
    target = (tl.program_id(1) * padded_height * padded_width + pixel[:, None]) * 3 + channel
    tl.store(images + target, value, mask=exists & (pixel < padded_height * padded_width)[:, None])
