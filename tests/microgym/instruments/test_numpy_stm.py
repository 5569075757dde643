"""The compiled drag is the drag in NumPy."""

import numpy as np

from microgym.baselines.benchmarks.instruments import DRAGS, WAY, Drags
from tests.microgym.instruments.numpy_stm import NumpyDrag


def test_both_sides_drag_the_adatom_to_the_same_places():
    compiled = Drags()
    # No drift on this side, as on the other.
    compiled.instrument.state.drift.velocity[:] = 0.0
    compiled.instrument.state.drift.settling[:] = 0.0
    begun = compiled.instrument.state.field.places.copy()
    compiled.run()
    for row in range(DRAGS):
        plain = NumpyDrag(row)
        count = len(plain.places)
        assert np.array_equal(plain.places, begun[row, :count])
        trace = plain.run(begun[row, 0], begun[row, 0] + WAY)
        after = compiled.instrument.state.field.places[row, :count]
        assert np.abs(plain.places - after).max() < 1e-9
        # The same current but for the noise of height and amplifier, 7% and 0.07.
        assert np.abs(trace - compiled.instrument.state.trace[row]).mean() < 0.15
    moved = np.hypot(*(compiled.instrument.state.field.places[:, 0] - begun[:, 0]).T)
    assert (moved > 1.0).sum() > DRAGS // 2
