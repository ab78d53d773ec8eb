"""Synthetic singing with the imperfections of human voices, to evaluate transcription.

Vibrato (5 to 6.5 Hz, up to 50 cents to each side) with tremolo, glides across onsets, scoops into
first notes, pitches off by some cents, a free tuning, soft attacks, repeated notes separated only
by a dip, audible breaths that shorten notes, a tempo that drifts by up to 3%, onsets off by some
ten milliseconds, a small room.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal

from musicvae.song import Song

RATE = 22_050
TIMBRES = ("hum", "la", "whistle")
_CONTROL = 441  # control values a second, one for each 50 samples
TEMPO_RANGE_BPM = {"hum": (65, 110), "la": (70, 120), "whistle": (75, 130)}
_CENTER_PITCH = {"hum": 52.0, "la": 64.0, "whistle": 82.0}  # MIDI pitch of the median note


@dataclass(frozen=True)
class Performance:
    """Onsets and ends `(M,)` in seconds, MIDI pitches `(M,)`, and bar lines `(K,)` in seconds."""

    onset: np.ndarray
    stop: np.ndarray
    pitch: np.ndarray
    lines: np.ndarray


def perform(
    song: Song,
    lines_ticks: np.ndarray,
    rng: np.random.Generator,
    timbre: str,
    longest_s: float,
    bpm: float | None = None,
) -> Performance:
    """Return the first melody of a song at a random tempo and pitch, with drift.

    Truncated at the last bar line before `longest_s`. `bpm`: the tempo, in beats of the meter.
    """
    part, tpq = song.parts[0], song.ticks_per_quarter
    keep = np.append(np.diff(part.onset_ticks) > 0, True)  # the highest of notes at once
    onset = part.onset_ticks[keep] / tpq
    stop = onset + part.duration_ticks[keep] / tpq
    stop[:-1] = np.minimum(stop[:-1], onset[1:])
    pitch, lines = part.pitch[keep], np.asarray(lines_ticks) / tpq
    gap = np.diff(onset)
    # A random beat, but slow enough for fast notes other than grace notes.
    pace = 60 / rng.uniform(*TEMPO_RANGE_BPM[timbre]) / _beat(song)
    pace = min(max(pace, 0.14 / max(np.percentile(gap, 10), 1e-3)), 1.2 / np.median(gap))
    if bpm is not None:
        pace = 60 / bpm / _beat(song)
    knots = np.arange(0, onset[-1] + 16, rng.uniform(6, 12))
    drift = np.cumsum(rng.normal(0, 0.014, len(knots)))
    drift = np.clip(drift - drift.mean(), -0.03, 0.03)
    fine = np.arange(0, knots[-1], 1 / 24)
    speed = pace * (1 + np.interp(fine, knots, drift))
    clock = np.concatenate([[0], np.cumsum(speed)[:-1]]) / 24 + rng.uniform(0.2, 1.0)

    def seconds(quarters: np.ndarray) -> np.ndarray:
        return np.interp(quarters, fine, clock)

    limit = lines[np.searchsorted(seconds(lines), longest_s) - 1] if len(lines) > 1 else np.inf
    if limit > lines[0] and seconds(np.array([stop[-1]]))[0] > longest_s:
        few = onset < limit - 1e-6
        onset, stop, pitch = onset[few], np.minimum(stop[few], limit), pitch[few]
        lines = lines[lines < limit + 1e-6]
    shift = round(_CENTER_PITCH[timbre] + rng.uniform(-4, 4) - float(np.median(pitch)))
    begin = seconds(onset) + np.clip(rng.normal(0, 0.012, len(onset)), -0.03, 0.03)
    begin = np.maximum.accumulate(np.maximum(begin, 0.05)) + np.arange(len(begin)) * 1e-4
    end = seconds(stop)
    held = end - begin
    end = begin + held * np.where(held > 0.2, rng.uniform(0.86, 1.02, len(held)), 1.0)
    end[:-1] = np.minimum(end[:-1], begin[1:])
    end = _with_breaths(begin, end, rng)
    end = np.maximum(end, begin + 0.04)
    end[:-1] = np.minimum(end[:-1], begin[1:])
    inside = seconds(lines)
    return Performance(begin, end, pitch + shift, inside[inside <= end[-1] + 0.05])


def _beat(song: Song) -> float:
    """Return the quarters of a beat in the predominant meter, dotted in 6/8 and the like."""
    meter = song.meter
    lasts = np.diff(np.append(meter.ticks, song.end_ticks))
    names = [(int(n), int(d)) for n, d in zip(meter.numerator, meter.denominator, strict=True)]
    total = dict.fromkeys(names, 0)
    for name, ticks in zip(names, lasts.tolist(), strict=True):
        total[name] += ticks
    numerator, denominator = max(total, key=lambda name: total[name])
    if denominator >= 8 and numerator % 3 == 0:
        return 3 * 4 / denominator
    return 4 / denominator if denominator <= 4 else 2 * 4 / denominator


def _with_breaths(begin: np.ndarray, end: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return ends of notes, some of them early for a breath."""
    end, last = end.copy(), begin[0]
    for i in range(len(end) - 1):
        long = end[i] - begin[i] > 0.4
        if begin[i + 1] - end[i] > 0.2:
            last = begin[i + 1]
        elif end[i] - last > rng.uniform(3.0, 6.0) and long:
            end[i] = begin[i + 1] - rng.uniform(0.2, 0.35)
            last = begin[i + 1]
    return end


def synthesize_voice(sung: Performance, timbre: str, rng: np.random.Generator) -> np.ndarray:
    """Return the sound, `(n,)` float64 within -1..1 at `RATE`."""
    n = int((sung.stop[-1] + 0.8) * _CONTROL)
    at = np.arange(n) / _CONTROL
    pitch = _pitch_line(sung, at, rng)
    level, dark = _envelope(sung, at, timbre, rng)
    size = n * (RATE // _CONTROL)
    time = np.arange(size) / RATE
    f0 = 440 * 2 ** ((np.interp(time, at, pitch) - 69) / 12)
    loud, dark = np.interp(time, at, level), np.interp(time, at, dark)
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    sound = np.zeros(size)
    tilt = rng.uniform(0.8, 1.25)
    top = 30 if timbre != "whistle" else 3
    for k in range(1, top + 1):
        hz = k * f0
        if hz.min() > RATE / 2.2:
            break
        gain = _gain(timbre, k, hz, tilt, dark) * (hz < RATE / 2.2)
        sound += gain * np.sin(k * phase + rng.uniform(0, 2 * np.pi))
    sound /= np.sqrt(np.mean(sound**2)) + 1e-9
    sound *= loud
    sound += _breath(sung, timbre, loud, time, rng)
    room = rng.normal(size=int(0.3 * RATE)) * np.exp(-np.arange(int(0.3 * RATE)) / (0.05 * RATE))
    room *= 10 ** (-16 / 20) / np.sqrt(np.sum(room**2))
    room[0] += 1
    sound = signal.fftconvolve(sound, room)[:size]
    return 0.5 * sound / np.abs(sound).max()


def _pitch_line(sung: Performance, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the MIDI pitch at each control time: glides, scoops, vibrato, error."""
    M = len(sung.pitch)
    tuning = rng.uniform(-0.3, 0.3)
    aim = sung.pitch + tuning + rng.normal(0, 0.17, M)
    line = np.full(len(at), aim[0])
    for i in range(1, M):
        length = sung.stop[i] - sung.onset[i]
        rest = sung.onset[i] - sung.stop[i - 1] > 0.06
        width = min(rng.uniform(0.04, 0.13), 0.6 * length)
        center = sung.onset[i] + rng.uniform(-0.02, 0.015) - (0.03 if rest else 0)
        s = np.clip((at - center) / width + 0.5, 0, 1)
        line += (aim[i] - aim[i - 1]) * (s * s * (3 - 2 * s))
    rate, depth = rng.uniform(5, 6.5), rng.uniform(0.15, 0.5)
    phase = 2 * np.pi * np.cumsum(rate * (1 + 0.04 * _modulation(len(at), 1.0, rng))) / _CONTROL
    sway = np.zeros(len(at))
    for i in range(M):
        begin, stop = sung.onset[i], sung.stop[i]
        first = i == 0 or begin - sung.stop[i - 1] > 0.1
        if first and rng.uniform() < 0.6:  # a scoop from below
            line -= (
                rng.uniform(0.5, 1.5)
                * np.exp(-np.maximum(at - begin, 0) / 0.035)
                * ((at >= begin - 0.1) & (at < stop))
            )
        if stop - begin > 0.24:
            inside = np.clip((at - begin - 0.08) / 0.15, 0, 1) * np.clip((stop - at) / 0.06, 0, 1)
            sway = np.maximum(sway, inside)
    line += depth * sway * np.sin(phase)
    return line + 0.13 * _modulation(len(at), 1.0, rng) + 0.04 * _modulation(len(at), 15.0, rng)


def _modulation(n: int, hz: float, rng: np.random.Generator) -> np.ndarray:
    """Return slow random modulation of variance 1, band-limited to `hz`."""
    knots = rng.normal(size=int(n / _CONTROL * hz * 2) + 3)
    place = np.arange(n) / _CONTROL * hz * 2
    return np.interp(place, np.arange(len(knots)), knots)


def _envelope(
    sung: Performance, at: np.ndarray, timbre: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return loudness and darkness (1 in a consonant) at each control time."""
    attack = {"hum": (0.06, 0.11), "la": (0.025, 0.05), "whistle": (0.03, 0.07)}[timbre]
    decibels, dark = np.full(len(at), -90.0), np.zeros(len(at))
    for i in range(len(sung.pitch)):
        begin, stop = sung.onset[i], sung.stop[i]
        rise, fall = rng.uniform(*attack), rng.uniform(0.05, 0.12)
        own = rng.normal(0, 1.5) - 3 * np.clip((at - begin) / 2.0, 0, 1)
        tied_in = i > 0 and begin - sung.stop[i - 1] < 0.06
        tied_out = i + 1 < len(sung.pitch) and sung.onset[i + 1] - stop < 0.06
        up = np.ones(len(at)) if tied_in else np.clip((at - begin + 0.3 * rise) / rise, 0, 1)
        down = np.ones(len(at)) if tied_out else np.clip((stop - at) / fall, 0, 1)
        gain = np.maximum(np.sin(np.pi / 2 * up) * np.sin(np.pi / 2 * down), 10 ** (-90 / 20))
        until = sung.onset[i + 1] if tied_out else stop + 0.01
        here = (at >= begin - (0 if tied_in else rise)) & (at < until)
        decibels[here] = (own + 20 * np.log10(gain))[here]
    smooth = np.hanning(int(0.03 * _CONTROL) | 1)
    decibels = np.log10(np.convolve(10 ** (decibels / 20), smooth / smooth.sum(), "same") + 1e-6)
    decibels *= 20
    for i in range(1, len(sung.pitch)):
        if sung.onset[i] - sung.stop[i - 1] >= 0.06:
            continue
        same = sung.pitch[i] == sung.pitch[i - 1]
        depth, width = _dip(timbre, same, rng)
        width = min(width, 0.5 * (sung.stop[i] - sung.onset[i]))
        # The bottom lies a little before the onset, which is where the sound comes back.
        bump = np.exp(-0.5 * ((at - sung.onset[i] + 0.35 * width) / (0.4 * width)) ** 2)
        decibels -= depth * bump
        if timbre == "la":
            dark = np.maximum(dark, bump)
    tremolo = rng.uniform(0.3, 1.6) * np.sin(2 * np.pi * rng.uniform(5, 6.5) * at)
    return 10 ** ((decibels + tremolo + 0.9 * _modulation(len(at), 3.0, rng)) / 20), dark


def _dip(timbre: str, same: bool, rng: np.random.Generator) -> tuple[float, float]:
    """Return depth in decibels and length in seconds of the dip between two notes."""
    if same:
        return {
            "hum": (rng.uniform(6, 16), rng.uniform(0.05, 0.1)),
            "la": (rng.uniform(5, 13), rng.uniform(0.04, 0.08)),
            "whistle": (rng.uniform(7, 20), rng.uniform(0.03, 0.07)),
        }[timbre]
    return {
        "hum": (rng.uniform(0, 7), rng.uniform(0.04, 0.09)),
        "la": (rng.uniform(4, 13), rng.uniform(0.04, 0.07)),
        "whistle": (rng.uniform(0, 6), rng.uniform(0.03, 0.06)),
    }[timbre]


def _gain(timbre: str, k: int, hz: np.ndarray, tilt: float, dark: np.ndarray) -> np.ndarray:
    """Return the gain of harmonic `k` at these frequencies."""
    if timbre == "whistle":
        return np.full(len(hz), (1.0, 10 ** (-28 / 20), 10 ** (-38 / 20))[k - 1])
    source = k ** (-1.2 * tilt)
    if timbre == "hum":  # closed mouth: low-pass through the nose
        return source / (1 + (hz / 420) ** 2) + 0.04 * source * _peak(hz, 1000, 200)
    vowel = _peak(hz, 720, 110) + 0.7 * _peak(hz, 1180, 140) + 0.25 * _peak(hz, 2650, 250) + 0.03
    liquid = _peak(hz, 360, 80) + 0.2 * _peak(hz, 1300, 160) + 0.01
    return source * ((1 - dark) * vowel + dark * liquid)


def _peak(hz: np.ndarray, at: float, width: float) -> np.ndarray:
    return 1 / (1 + ((hz - at) / width) ** 2)


def _breath(
    sung: Performance, timbre: str, loud: np.ndarray, time: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return breath noise in the tone, and breaths where there is room for them."""
    air = rng.normal(size=len(time))
    low, high = (900, 6000) if timbre == "whistle" else (300, 5000)
    air = signal.sosfilt(signal.butter(2, (low, high), "bandpass", fs=RATE, output="sos"), air)
    air /= air.std()
    level = loud * 10 ** ({"hum": -30, "la": -28, "whistle": -20}[timbre] / 20)
    for i in range(len(sung.pitch) - 1):
        begin, stop = sung.stop[i] + 0.03, sung.onset[i + 1] - 0.02
        if stop - begin > 0.1:
            begin = max(begin, stop - 0.5)
            shape = np.clip((time - begin) / (stop - begin), 0, 1)
            level = level + 10 ** (rng.uniform(-30, -18) / 20) * np.sin(np.pi * shape) ** 2
    return air * level


def add_noise(sound: np.ndarray, snr_db: float, rng: np.random.Generator) -> np.ndarray:
    """Return the sound with noise at `snr_db`, half white and half pink."""
    white, seed = rng.normal(size=len(sound)), rng.normal(size=len(sound))
    spectrum = np.fft.rfft(seed)
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 20))
    pink = np.fft.irfft(spectrum, len(sound))
    noise = white / white.std() + pink / pink.std()
    scale = np.sqrt(np.mean(sound**2)) / noise.std() * 10 ** (-snr_db / 20)
    mixed = sound + scale * noise
    return mixed / max(1.0, np.abs(mixed).max())


def barline_f1(found: np.ndarray, true: np.ndarray, within_s: float = 0.07) -> float:
    """Return the F1 of ascending bar lines in seconds, matched one to one."""
    i = j = hits = 0
    while i < len(found) and j < len(true):
        if abs(found[i] - true[j]) <= within_s:
            hits, i, j = hits + 1, i + 1, j + 1
        elif found[i] < true[j]:
            i += 1
        else:
            j += 1
    return 2 * hits / max(len(found) + len(true), 1)
