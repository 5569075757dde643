"""Reference of a tip's image of a surface: SciPy's grey morphology."""

import numpy as np
from scipy import ndimage


def dilate(surface, window):
    """Image that a tip makes of a surface, nm: the grey dilation; nothing lies outside."""
    shape = -window[::-1, ::-1].astype(surface.dtype)
    return ndimage.grey_dilation(surface, structure=shape, mode="constant", cval=-np.inf)


def erode(image, window):
    """Highest surface that gives an image, nm: the grey erosion."""
    shape = -window[::-1, ::-1].astype(image.dtype)
    return ndimage.grey_erosion(image, structure=shape, mode="constant", cval=np.inf)
