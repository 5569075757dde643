"""Random images of the tests of metrics."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter


def field(seed: int, *shape: int) -> NDArray[np.complex128]:
    """A smooth complex image around one, with phase."""
    rng = np.random.default_rng(seed)
    planes = rng.normal(size=(2, *shape))
    soft = gaussian_filter(planes, sigma=(0,) * (planes.ndim - 2) + (1.5, 1.5))
    return (0.8 + soft[0]) * np.exp(2j * soft[1])


def noise(seed: int, *shape: int) -> NDArray[np.complex128]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def ramp(shape: tuple[int, ...], slope_y: float, slope_x: float) -> NDArray[np.complex128]:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.exp(1j * (slope_y * y + slope_x * x))
