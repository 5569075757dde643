"""Independent references of a tapping cantilever: its equation of motion, and V = <F z>."""

import numpy as np

from microgym.jit import kernel
from microgym.numerics.libm import sincos64
from microgym.physics.cantilever import tip_force


@kernel
def tap(gaps, step_s, lever, hamaker_radius, stiffness, u, v, steps, out):
    """Integrate the equation of motion by fourth-order Runge-Kutta.

    Args:
        gaps: (n,) mean gaps, nm, linear in between, and constant behind the last.
        step_s: time between them, s.
        lever: (4,) k, Q, resonance in Hz and free amplitude.
        hamaker_radius, stiffness: H R, and (4/3) E sqrt(R).
        u, v: A sin phi and A cos phi at the start, z = A cos(w t - phi), drive cos w t.
        steps: steps a cycle.
        out: (cycles, 4) written: amplitude, cosine of the phase, peak and mean force of each cycle.
    """
    k, quality, resonance, free = lever[0], lever[1], lever[2], lever[3]
    h, dt = 2.0 * np.pi / steps, 1.0 / (resonance * steps)
    drive, last = free / quality, gaps.size - 1
    z, speed = v, u
    for n in range(out.shape[0]):
        sine_sum, cosine_sum, total, peak = 0.0, 0.0, 0.0, -np.inf
        for i in range(steps):
            t = i * h
            rise, push, rises, pushes = 0.0, 0.0, 0.0, 0.0
            for stage in range(4):
                part = 0.0 if stage == 0 else (1.0 if stage == 3 else 0.5)
                weight = 1.0 if stage == 0 or stage == 3 else 2.0
                place = min((n * steps + i + part) * dt / step_s, last - 1e-9)
                at = int(place)
                gap = gaps[at] + (place - at) * (gaps[at + 1] - gaps[at])
                zi, vi = z + part * h * rise, speed + part * h * push
                f = tip_force(gap + zi, hamaker_radius, stiffness)
                if stage == 0:
                    peak = max(peak, f)
                    total += f
                rise = vi
                push = drive * sincos64(t + part * h)[1] - vi / quality - zi + f / k
                rises += weight * rise
                pushes += weight * push
            s, c = sincos64(t)
            sine_sum += z * s
            cosine_sum += z * c
            z += h / 6.0 * rises
            speed += h / 6.0 * pushes
        a, b = 2.0 * sine_sum / steps, 2.0 * cosine_sum / steps
        out[n, 0] = np.sqrt(a * a + b * b)
        out[n, 1] = b / out[n, 0]
        out[n, 2] = peak
        out[n, 3] = total / steps


def virial(gap, amplitude, hamaker_radius, stiffness, nodes=20000):
    """V = <F z> over a cycle by the midpoint rule, nN nm; positive if attraction prevails."""
    z = amplitude * np.cos(np.pi * (np.arange(nodes) + 0.5) / nodes)
    depth = np.maximum(0.165 - gap - z, 0.0)
    far = np.maximum(gap + z, 0.165)
    return np.mean((stiffness * depth**1.5 - hamaker_radius / (6.0 * far**2)) * z)
