"""Line of the force microscope in NumPy, with the recurrence of the feedback loop in Python.

For comparison only: the same line as `microgym.instruments.afm.kernels.scan_rows` of an instrument
without noise, drift and wear, and without its ledger and events.
"""

import math

import numpy as np
from numpy.typing import NDArray

from microgym.instruments.afm.instrument import AFMInstrument
from microgym.instruments.afm.kernels import LEAD
from microgym.instruments.afm.settings import MARGIN_PX
from microgym.physics.afm_tip import Tip, TipShape, tip_reach, window_of
from microgym.physics.cantilever import CONTACT_NM, HAMAKER_NN_NM, STIFFEST
from microgym.physics.feedback import TICK_S, oscillator

Float64 = NDArray[np.float64]


def dilate_rows(strip: Float64, window: Float64, limit: float) -> Float64:
    """Path of a tip's apex along a line: grey dilation, the maximum of surface less tip.

    Args:
        strip: (2 r + 1, P + 2 r) surface around the line, nm.
        window: (2 r + 1, 2 r + 1) shape of the tip, nm.
        limit: height range of the surface, nm.
    """
    size = window.shape[1]
    line = np.full(strip.shape[1] - size + 1, -np.inf)
    for y, x in np.argwhere(window <= limit):
        np.maximum(line, strip[y, x : x + line.size] - window[y, x], out=line)
    return line


class NumpyLines:
    """Lines of one microscope, scanned in NumPy and Python.

    Args:
        instrument: one microscope without noise, drift and wear; it is not changed.
        generator: of noise that is drawn and multiplied by zero.

    Attributes:
        trace, retrace: (P,) heights of the last line, nm.
        force: (P,) peak force of the trace, nN.
        truth: (P,) heights that a new tip would have measured, nm.
        state: integral, height, velocity and command of the loop, A sin phi and A cos phi.
    """

    def __init__(self, instrument: AFMInstrument, generator: np.random.Generator) -> None:
        self.instrument, self.generator = instrument, generator
        self.number = 0
        pixels = instrument.settings.pixels
        self.trace, self.retrace, self.force, self.truth = np.zeros((4, pixels))
        self.state = [float(value[0]) for value in instrument.state.loop]

    def scan(self, setpoint: float, gain: float, rate_hz: float) -> None:
        """Scan the next line, trace and retrace.

        Args:
            setpoint: fraction of the free amplitude.
            gain: integral gain, 1/s.
            rate_hz: lines a second.
        """
        chosen, state = self.instrument.settings, self.instrument.state
        width, pixel_s = chosen.pixels + 2 * LEAD, 0.5 / (rate_hz * (chosen.pixels + 2 * LEAD))
        row = MARGIN_PX - 0.5 + (self.number + 0.5) * chosen.pixels / chosen.lines
        self.number += 1
        for back in (False, True):
            mounted, relief = state.tip, float(state.surface.relief[0])
            tip = Tip(*(float(getattr(mounted, name)[0]) for name in TipShape._fields))
            half, above = math.ceil(tip_reach(tip.shape, relief) / chosen.pixel_nm), int(row)
            window = window_of(tip, chosen.pixel_nm, half).astype(float)
            surface = state.surface.height[0].astype(float)
            rows = surface[above - half : above + half + 2]
            strip = rows[:-1] + (row - above) * np.diff(rows, axis=0)
            path = dilate_rows(strip, window, relief)
            at = MARGIN_PX - LEAD - 0.5 + np.arange(width + 1)
            at = at[::-1] if back else at
            heights = np.interp(at - half, np.arange(path.size), path)
            middles = np.floor(0.5 * (at[1:] + at[:-1]) + 0.5).astype(int)
            modulus = state.surface.modulus[0, int(row + 0.5), middles].astype(float)
            elastic = modulus * math.sqrt(tip.radius_nm)
            if not back:
                new = Tip(*self.instrument.parameters.new_tip)
                fresh = window_of(new, chosen.pixel_nm, half).astype(float)
                ideal = dilate_rows(strip, fresh, relief)
                borders = np.interp(at - half, np.arange(ideal.size), ideal)
                self.truth = (0.5 * (borders[1:] + borders[:-1]))[LEAD:-LEAD]
            sent, force = self._loop(heights, elastic, pixel_s, setpoint, gain, tip.radius_nm)
            inside = slice(LEAD, -LEAD)
            if back:
                self.retrace = sent[inside][::-1].copy()
            else:
                self.trace, self.force = sent[inside].copy(), force[inside]

    def _loop(
        self,
        heights: Float64,
        elastic: Float64,
        pixel_s: float,
        setpoint: float,
        gain: float,
        radius: float,
    ) -> tuple[Float64, Float64]:
        """Closed loop: commanded heights, nm, and peak forces, nN, (P,) float64 each."""
        settings, hidden = self.instrument.settings, self.instrument.state.hidden
        lever, scanner = settings.cantilever, settings.scanner
        k, quality, free = lever.stiffness_n_m, lever.quality, lever.free_amplitude_nm
        p00, p01, _, p11 = oscillator(TICK_S, hidden.resonance_hz[0], hidden.damping[0])
        w, keep = 2.0 * quality / lever.lag_s, math.exp(-TICK_S / lever.lag_s)
        half = 0.5 * w * TICK_S / k
        bound = STIFFEST * lever.lag_s * k * math.sqrt(2.0) / (free * w * TICK_S**2)
        hamaker_radius = HAMAKER_NN_NM * radius
        noise = (0.0 * self.generator.normal(size=heights.size * 64)).tolist()
        integral, height, speed, command, u, v = self.state
        speed /= 2.0 * math.pi * hidden.resonance_hz[0]
        stride, top = scanner.slew_nm_s * TICK_S, scanner.range_nm
        count = np.zeros(elastic.size)
        sums, stiffest = np.zeros(elastic.size), np.zeros(elastic.size)
        ground, springs, last = heights.tolist(), elastic.tolist(), elastic.size - 1
        for i in range(int(pixel_s * elastic.size / TICK_S + 1e-9)):
            place = (i + 0.5) * TICK_S / pixel_s
            p = min(int(place), last)
            gap = height - (ground[p] + (place - p) * (ground[p + 1] - ground[p]))
            # V = <F z> over A^2, by the formulas of `turn_of`.
            a = math.hypot(u, v)
            d = max(gap, 0.0) - a
            s, far = max(CONTACT_NM - d, 0.0), max(d, CONTACT_NM)
            y = math.sqrt(s)
            stiff = min(springs[p] * s, bound * a**1.5)
            rest = 4.0 / math.pi * far**1.5 + y * (0.269 + 0.0285 * y)
            pull = math.sqrt(2.0) * hamaker_radius / (6.0 * math.pi)
            pull *= (y / CONTACT_NM**2 + 1.0 / rest) * max(1.0 - 0.35 * s / a, 0.3)
            pull /= 1.0 + 0.75 * max(d, 0.0) / a
            push = stiff * s / (2.0 * math.sqrt(2.0)) * (1.0 - 0.125 * s / a)
            angle = 2.0 * math.atan(half * (pull - push) / a**1.5)
            u, v = (
                math.cos(angle) * u + math.sin(angle) * v,
                math.cos(angle) * v - math.sin(angle) * u,
            )
            u, v = free + (u - free) * keep + noise[i % 64], v * keep
            error = math.hypot(u, v) - setpoint * free
            off = height - command
            height = command + p00 * off + p01 * speed
            speed = p11 * speed - p01 * off
            integral = min(max(integral - gain * TICK_S * error, 0.0), top)
            command = min(max(integral, command - stride), command + stride)
            count[p] += 1.0
            sums[p] += command
            stiffest[p] = max(stiffest[p], stiff * s)
        speed *= 2.0 * math.pi * hidden.resonance_hz[0]
        self.state = [integral, height, speed, command, u, v]
        force = 4.0 / 3.0 * elastic * (stiffest / elastic) ** 0.75
        return sums / count, np.maximum(force - hamaker_radius / (6.0 * CONTACT_NM**2), 0.0)
