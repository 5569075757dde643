import numpy as np
import pytest
from scipy.signal import convolve2d

from microgym.agents.core.convolution import convolve, separate_maxima, soft_disk


def test_convolution_is_that_of_maps_in_a_field_of_zeros():
    maps = np.random.default_rng(0).normal(size=(3, 8, 8))
    disk = soft_disk(2.3, 8)
    around = np.roll(disk, (4, 4), (0, 1))[:9, :9]
    found = convolve(maps, np.fft.rfft2(disk))
    for one, other in zip(maps, found, strict=True):
        assert other == pytest.approx(convolve2d(one, around, mode="same"), abs=1e-12)


def test_a_disk_has_its_area_and_a_rim_of_one_cell():
    disk = soft_disk(5.0, 16)
    assert disk.sum() == pytest.approx(np.pi * 25.0, rel=0.02)
    assert disk[0, :4].tolist() == [1.0] * 4
    assert disk[0, 5] == 0.5
    assert disk[0, 6] == 0.0


def test_separate_maxima_are_no_neighbours():
    maps = np.zeros((2, 5, 5))
    maps[0, 1, 1], maps[0, 1, 2], maps[0, 4, 4] = 3.0, 2.9, 1.0
    maps[1, 0, 0], maps[1, 2, 2], maps[1, 0, 4] = 1.0, 3.0, 2.0
    before = maps.copy()
    assert separate_maxima(maps, 2).tolist() == [[6, 24], [12, 4]]
    assert separate_maxima(maps, 3)[1].tolist() == [12, 4, 0]
    assert np.array_equal(maps, before)
