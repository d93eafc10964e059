"""Change of size for binary masks."""

import cv2
import numpy as np


def resize(masks: np.ndarray, height: int, width: int) -> np.ndarray:
    """(N, H, W) bool -> (N, height, width) bool: on where at least half of the area is on.

    A thin or small mask may vanish; the caller decides what an empty mask means.
    """
    if masks.shape[1:] == (height, width) or not len(masks):
        return masks if len(masks) else np.zeros((0, height, width), bool)
    area = [
        cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) for mask in masks
    ]
    return np.stack(area) >= 0.5
