"""Arrays, and the one operation on them that several layers share."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ids = NDArray[np.uint64]
Flags = NDArray[np.bool_]


def maxout(values: Floats, pieces: int) -> Floats:
    """Return the greatest of the pieces, which stand one after the other in the last axis."""
    width = values.shape[-1] // pieces
    best = values[..., :width]
    for start in range(width, pieces * width, width):
        best = np.maximum(best, values[..., start : start + width])
    return best
