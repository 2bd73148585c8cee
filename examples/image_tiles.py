"""Count bright cells in an image that is processed in tiles.

The image is made tile by tile on the workers. Smoothing needs the pixels beside a tile: `map_overlap` brings them.
"""

import numpy as np

import partita.array as da
from partita.distributed import Client

SIZE, TILE, CELLS = 2_000, 500, 300


def draw(block_info: dict) -> np.ndarray:
    """Return one tile of the image: round cells on a noisy background."""
    (top, bottom), (left, right) = block_info[None]["array-location"]
    random = np.random.default_rng([1, top, left])
    tile = random.normal(10.0, 2.0, (bottom - top, right - left))
    centres = np.random.default_rng(0).uniform(20, SIZE - 20, (CELLS, 2))
    for y, x in centres[(centres[:, 0] > top - 10) & (centres[:, 0] < bottom + 10)]:
        if left - 10 < x < right + 10:
            rows, columns = np.ogrid[top:bottom, left:right]
            tile[(rows - y) ** 2 + (columns - x) ** 2 < 36] += 40.0
    return tile


def smooth(tile: np.ndarray) -> np.ndarray:
    """Return the mean of 5 x 5 pixels around each pixel."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(tile, 2, mode="edge"), (5, 5))
    return windows.mean(axis=(2, 3))


def main() -> None:
    with Client():
        tiles = ((TILE,) * (SIZE // TILE),) * 2
        image = da.map_blocks(draw, chunks=tiles, dtype=float)
        smoothed = image.map_overlap(smooth, depth=2, boundary="nearest").persist()
        is_cell = smoothed > 30.0
        share, brightest, by_tile = da.compute(
            is_cell.mean(), smoothed.max(), da.coarsen(np.sum, is_cell, {0: TILE, 1: TILE})
        )
        print(f"{share:.2%} of the image is covered by cells; brightest pixel {brightest:.1f}")
        print("pixels of cells in each tile:")
        print(by_tile)
        da.to_npy_stack("smoothed", smoothed, axis=0)
        again = da.from_npy_stack("smoothed")
        print("written and read again:", bool((again == smoothed).all().compute()))


if __name__ == "__main__":
    main()
