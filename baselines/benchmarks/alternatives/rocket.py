"""rocket-fft as a kernel uses it; imported only where it is installed."""

from rocket_fft import c2c

from microgym.jit import kernel


@kernel
def transform_all(waves, out, axes, factor):
    """Forward transforms of every wave, times a factor, on one thread."""
    for k in range(waves.shape[0]):
        c2c(waves[k], out[k], axes, True, factor, 1)
