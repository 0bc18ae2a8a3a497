"""Segment a folder of images in batches and write one label PNG per image.

python examples/batch_folder.py images/ labels/ --batch-size 8
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.segmenter import Segmenter


def batches(paths: Sequence[Path], batch_size: int) -> Iterator[list[tuple[Path, np.ndarray]]]:
    """Yield lists of (path, rgb); the images of a batch have one size, as the engine requires."""
    batch: list[tuple[Path, np.ndarray]] = []
    for path in paths:
        rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        if batch and (len(batch) == batch_size or batch[0][1].shape != rgb.shape):
            yield batch
            batch = []
        batch.append((path, rgb))
    if batch:
        yield batch


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Segment a folder of images in batches.")
    parser.add_argument("images", type=Path, help="folder of .jpg and .png images")
    parser.add_argument("out", type=Path, help="folder for NAME.png: class id per pixel, 255 = unlabeled")
    parser.add_argument("--model", default="bisenetformer-nano-camvid", help="weights file or model name")
    parser.add_argument("--batch-size", type=int, default=8, help="images per run of the network")
    args = parser.parse_args(argv)

    # PyTorch takes a batch of any length; an exported graph does so only with `export --dynamic-batch`.
    segmenter = Segmenter(args.model, engine="torch", task="semantic")
    args.out.mkdir(parents=True, exist_ok=True)
    paths = sorted(path for path in args.images.iterdir() if path.suffix.lower() in (".jpg", ".png"))
    for batch in batches(paths, args.batch_size):
        frames = [rgb for _, rgb in batch]
        results = segmenter.engine.segment(frames, segmenter.score_threshold, segmenter.overlap_threshold)
        for (path, _), result in zip(batch, results, strict=True):
            cv2.imwrite(str(args.out / f"{path.stem}.png"), result.label_map)
        ms_per_image = sum(vars(results[0].times_ms).values())
        print(f"{len(batch)} images of {frames[0].shape[1]}x{frames[0].shape[0]}: {ms_per_image:.1f} ms per image")


if __name__ == "__main__":
    main()
