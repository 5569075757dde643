"""Procedural families of transmission functions, and the function that draws them.

A specimen is a function of its key alone, whatever the batch it is drawn in. It is a complex
transmission function with modulus at most 1; vacuum is exactly 1 + 0j.

Each family has a kernel that draws one specimen, and a function that makes its work arrays for a
height, a width and a margin. The kernel takes:

* the key of the specimen, (2,) uint32;
* the margin, px outside the scanned region on each side;
* real and imaginary part, (H, W) float32, which it writes;
* structure, (H, W) uint8, which it writes where the specimen is not vacuum: 1, else 0; families of
  `DENSE` get ones and leave them;
* the work arrays.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from microgym.specimens.grf import draw_grf, grf_work
from microgym.specimens.lines import draw_lines, lines_work
from microgym.specimens.shapes import draw_features, draw_star, features_work, star_work
from microgym.specimens.sparse import OVERHANG, draw_sparse, sparse_work
from microgym.specimens.splits import validate_family, validate_planes
from microgym.state import Float32, Uint32

DENSE: Final = ("lines", "grf", "large_features")
"""Families without vacuum: every pixel counts as structure."""

_DRAWN: Final[dict[str, tuple[Any, Any]]] = {
    "sparse": (draw_sparse, sparse_work),
    "lines": (draw_lines, lines_work),
    "grf": (draw_grf, grf_work),
    "large_features": (draw_features, features_work),
    "siemens_star": (draw_star, star_work),
}
"""Kernel and work arrays of each family."""


def fill(
    family: str, keys: Uint32, real: Float32, imag: Float32, structure: NDArray[Any], margin: int
) -> None:
    """Draw k specimens in place.

    Args:
        family: one of `FAMILIES`.
        keys: (k, 2) uint32, from `specimen_key`.
        real: (k, H, W) float32, C-contiguous, written; H and W in `SIZE_RANGE`.
        imag: the same for the imaginary part.
        structure: (k, H, W) bool or uint8, C-contiguous, written: where the specimen is not vacuum.
        margin: px outside the scanned region on each side; `sparse` and `siemens_star` put their
            structure inside it.

    Raises:
        TypeError: an array of the wrong dtype.
        ValueError: an unknown family, or arrays of the wrong shape or layout.
    """
    validate_family(family)
    height, width = validate_planes(keys, {"real": real, "imag": imag, "structure": structure})
    if not OVERHANG <= margin <= min(height, width) // 3:
        raise ValueError(
            f"margin must be from {OVERHANG} to a third of the shorter edge, "
            f"{min(height, width) // 3} px, got {margin!r}"
        )
    draw, make_work = _DRAWN[family]
    work, mask = make_work(height, width, margin), structure.view(np.uint8)
    if family in DENSE:
        mask[...] = 1
    for key, *planes in zip(keys, real, imag, mask, strict=True):
        draw(key, margin, *planes, work)
