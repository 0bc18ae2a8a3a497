from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

WriteImages = Callable[[Path, Mapping[str, np.ndarray]], None]


@pytest.fixture(scope="session")
def write_images() -> WriteImages:
    """Writes images, RGB or of one channel, to paths below a root."""

    def write(root: Path, images: Mapping[str, np.ndarray]) -> None:
        for path, image in images.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            pixels = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            assert cv2.imwrite(str(root / path), pixels)

    return write
