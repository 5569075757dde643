"""Equation of motion of a tapping cantilever, integrated; a reference for the amplitude tables."""

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import sincos64
from microgym.physics.cantilever import tip_force


@kernel
def tap(gap, closing, lift, settings, cycles, listen, steps, out):
    """Integrate the equation of motion by fourth-order Runge-Kutta, from free oscillation on.

    Args:
        gap: mean gap at the start, nm.
        closing: speed at which it shrinks, nm a cycle.
        lift: the gap shrinks to this and no further, nm.
        settings: (6,) k, Q, free amplitude, H R, (4/3) E sqrt(R), initial amplitude over the free
            one (oscillating in phase with steady resonance).
        cycles: cycles.
        listen: average amplitude, phase and force over so many of the last cycles.
        steps: steps a cycle.
        out: (6,) written: amplitude, cosine over sine of its lag behind the drive, mean force, peak
            force in the last cycles, peak force since the start, gap at the end.
    """
    k, quality, free, hamaker_radius, stiffness = settings[:5]
    h = 2.0 * np.pi / steps
    drive = free / quality
    z, v = 0.0, free * settings[5]
    # At resonance the motion lags the drive by a quarter of a cycle: z = A0 sin t.
    sine_sum, cosine_sum, total, peak, ever = 0.0, 0.0, 0.0, 0.0, 0.0
    first = (cycles - listen) * steps
    g = gap
    for n in range(cycles * steps):
        t = (n % steps) * h
        rise, push, rises, pushes = 0.0, 0.0, 0.0, 0.0
        for stage in range(4):
            part = 0.0 if stage == 0 else (1.0 if stage == 3 else 0.5)
            weight = 1.0 if stage == 0 or stage == 3 else 2.0
            zi, vi = z + part * h * rise, v + part * h * push
            c = sincos64(t + part * h)[1]
            f = tip_force(g + zi, hamaker_radius, stiffness)
            rise = vi
            push = drive * c - vi / quality - zi + f / k
            rises += weight * rise
            pushes += weight * push
        f = tip_force(g + z, hamaker_radius, stiffness)
        ever = max(ever, f)
        if n >= first:
            s, c = sincos64(t)
            sine_sum += z * s
            cosine_sum += z * c
            total += f
            peak = max(peak, f)
        z += h / 6.0 * rises
        v += h / 6.0 * pushes
        g = max(g - closing / steps, lift)
    count = listen * steps
    a, b = 2.0 * sine_sum / count, 2.0 * cosine_sum / count
    out[0] = np.sqrt(a * a + b * b)
    out[1] = b / a
    out[2] = total / count
    out[3] = peak
    out[4] = ever
    out[5] = g
