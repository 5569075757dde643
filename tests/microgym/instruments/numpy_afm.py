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
from microgym.physics.cantilever import CONTACT_NM, HAMAKER_NN_NM, MODULI_GPA
from microgym.physics.feedback import MOST_TICKS

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


def peak_forces(
    amplitude: Float64, target: Float64, modulus: Float64, radius: float, lever: Float64
) -> Float64:
    """`microgym.physics.cantilever.peak_force` for whole lines that are not quenched, nN.

    Args:
        amplitude, target: (P,) nm.
        modulus: (P,) GPa.
        radius: of the tip, nm.
        lever: stiffness, N/m, quality factor, free amplitude, nm.
    """
    spring, quality, free = lever
    adhesion = HAMAKER_NN_NM * radius / (6.0 * CONTACT_NM**2)
    least = np.maximum(amplitude, 1.0)
    mean = spring / (2.0 * quality) * np.sqrt(np.maximum(free**2 - target**2, 0.0))
    elastic = modulus * math.sqrt(radius)
    scale = 2.0 * np.sqrt(2.0 * least) / elastic
    touching = 4.0 / np.sqrt(2.0 * CONTACT_NM / least)
    share, way, depth = np.zeros_like(mean), 1.0 / touching, np.zeros_like(mean)
    for _ in range(4):
        depth = np.sqrt(scale * (mean + adhesion * (share + way)))
        share = np.minimum(np.sqrt(2.0 * depth / least) / np.pi, 1.0)
        way = 1.0 / (touching + np.pi * np.sqrt(2.0 * depth * least) / CONTACT_NM)
    return np.maximum(4.0 / 3.0 * elastic * depth**1.5 - adhesion, 0.0)


class NumpyLines:
    """Lines of one microscope, scanned in NumPy and Python.

    Args:
        instrument: one microscope without noise, drift and wear; it is not changed.
        generator: of noise that is drawn and multiplied by zero.

    Attributes:
        trace, retrace: (P,) heights of the last line, nm.
        force: (P,) peak force of the trace, nN.
        truth: (P,) heights that a new tip would have measured, nm.
        state: integral, height, velocity, signal and command of the loop.
    """

    def __init__(self, instrument: AFMInstrument, generator: np.random.Generator) -> None:
        self.instrument, self.generator = instrument, generator
        self.number = 0
        pixels = instrument.settings.pixels
        self.trace, self.retrace, self.force, self.truth = np.zeros((4, pixels))
        self.state = [float(value[0]) for value in instrument.state.loop]
        self.tables = instrument.state.tip.table[0].tolist()

    def scan(self, setpoint: float, gain: float, rate_hz: float) -> None:
        """Scan the next line, trace and retrace.

        Args:
            setpoint: fraction of the free amplitude.
            gain: integral gain, 1/s.
            rate_hz: lines a second.
        """
        chosen, state = self.instrument.settings, self.instrument.state
        width, resonance = chosen.pixels + 2 * LEAD, float(state.hidden.resonance_hz[0])
        pixel_s = 0.5 / (rate_hz * width)
        tick = min(0.2 / (2.0 * math.pi * resonance), 0.2 * chosen.cantilever.lag_s, 0.2 / gain)
        ticks = min(max(math.ceil(pixel_s / tick), 8), MOST_TICKS)
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
            stuff = state.surface.material[0, int(row + 0.5), middles].astype(float)
            if not back:
                new = Tip(*self.instrument.parameters.new_tip)
                fresh = window_of(new, chosen.pixel_nm, half).astype(float)
                ideal = dilate_rows(strip, fresh, relief)
                borders = np.interp(at - half, np.arange(ideal.size), ideal)
                self.truth = (0.5 * (borders[1:] + borders[:-1]))[LEAD:-LEAD]
            out = self._loop(heights, stuff, ticks, pixel_s / ticks, setpoint, gain)
            inside = slice(LEAD, -LEAD)
            modulus = MODULI_GPA[0] * (MODULI_GPA[1] / MODULI_GPA[0]) ** stuff
            lever = chosen.cantilever
            force = peak_forces(
                out[2],
                np.maximum(out[1], 0.0),
                modulus,
                float(state.tip.table_radius_nm[0]),
                np.array([lever.stiffness_n_m, lever.quality, lever.free_amplitude_nm]),
            )
            if back:
                self.retrace = out[0, inside][::-1].copy()
            else:
                self.trace, self.force = out[0, inside].copy(), force[inside]

    def _loop(
        self,
        heights: Float64,
        stuff: Float64,
        ticks: int,
        tick: float,
        setpoint: float,
        gain: float,
    ) -> Float64:
        """Closed loop: commanded heights, lowest targets and the signals there, (3, P) float64."""
        signals, scanner = self.instrument.parameters.signals, self.instrument.settings.scanner
        low, step, free = signals.low_nm, signals.step_nm, signals.free
        hidden = self.instrument.state.hidden
        resonance, damping = float(hidden.resonance_hz[0]), float(hidden.damping[0])
        w = 2.0 * math.pi * resonance
        root = math.sqrt(1.0 - damping**2)
        decay, angle = math.exp(-damping * w * tick), w * root * tick
        cosine, sine = math.cos(angle), math.sin(angle) / root
        keep = math.exp(-tick / self.instrument.settings.cantilever.lag_s)
        noise = 0.0 * self.generator.normal(size=(2, stuff.size, ticks))
        integral, height, speed, signal, command = self.state
        speed /= w
        tables, last = self.tables, len(self.tables[0][0]) - 2
        stride, top = scanner.slew_nm_s * tick, scanner.range_nm
        out = np.empty((3, stuff.size))
        for p in range(stuff.size):
            first = min(int(stuff[p]), len(MODULI_GPA) - 2)
            mix = float(stuff[p]) - first
            far_a, far_b = tables[0][first], tables[0][first + 1]
            near_a, near_b = tables[1][first], tables[1][first + 1]
            ground, rise = float(heights[p]), float(heights[p + 1] - heights[p]) / ticks
            thermal, detector = noise[0, p].tolist(), noise[1, p].tolist()
            total, least, then = 0.0, math.inf, 0.0
            for i in range(ticks):
                gap = height - (ground + (i + 0.5) * rise)
                place = (gap - low) / step
                if place < 0.0:
                    far = near = far_a[0] + mix * (far_b[0] - far_a[0]) + (gap - low)
                else:
                    cell = min(int(place), last)
                    on = min(place - cell, 1.0)
                    a = far_a[cell] + on * (far_a[cell + 1] - far_a[cell])
                    b = far_b[cell] + on * (far_b[cell + 1] - far_b[cell])
                    far = a + mix * (b - a)
                    a = near_a[cell] + on * (near_a[cell + 1] - near_a[cell])
                    b = near_b[cell] + on * (near_b[cell + 1] - near_b[cell])
                    near = a + mix * (b - a)
                target = near if 2.0 * signal > near + far else far
                if target < least:
                    least, then = target, signal
                drawn = max(target, -free)
                signal = drawn + (signal - drawn) * keep + thermal[i]
                error = signal + detector[i] - setpoint * free
                integral = min(max(integral - gain * tick * error, 0.0), top)
                command = min(max(integral, command - stride), command + stride)
                off = height - command
                height = command + decay * ((cosine + damping * sine) * off + sine * speed)
                speed = decay * ((cosine - damping * sine) * speed - sine * off)
                total += command
            out[:, p] = total / ticks, least, then
        self.state = [integral, height, speed * w, signal, command]
        return out
