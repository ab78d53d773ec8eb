"""Other readers from the bytes of a MIDI file to a piano roll: on pretty_midi, and by muspy.

Used by `benchmarks/reading.py`. The one on pretty_midi gives the same rolls as the pipeline.
"""

from __future__ import annotations

import io
import json
import subprocess

import numpy as np
import pretty_midi
from numpy.typing import NDArray

from musicvae.arrays import Ints, ragged_range

STORED_STEPS, ROLL_STEPS = 24, 4  # steps per quarter of the stored grid and of the roll


def read_with_pretty_midi(content: bytes) -> NDArray[np.uint8]:
    """Return the roll `(N, R, C, T, P)` uint8, with the notated bar lines of the file.

    It has three planes, without microtiming.

    Vectorized where pretty_midi allows: all ticks are looked up in its table at once, as
    `PrettyMIDI.time_to_tick` does for one.
    """
    midi = pretty_midi.PrettyMIDI(io.BytesIO(content))
    seconds, tpq = midi._PrettyMIDI__tick_to_time, midi.resolution
    instruments = midi.instruments
    notes = [
        (part, note.start, note.end, note.pitch, note.velocity)
        for part, instrument in enumerate(instruments)
        for note in instrument.notes
    ]
    columns = np.array(notes).T
    start, stop = np.searchsorted(seconds, columns[1:3])
    part, pitch, velocity = columns[[0, 3, 4]].astype(np.int64)
    meters = [
        (int(np.searchsorted(seconds, meter.time)), meter.numerator, meter.denominator)
        for meter in midi.time_signature_changes
    ]
    begin, length, steps = _bars(meters, len(seconds) - 2, tpq)

    stored_steps, roll_steps = (
        np.maximum(-(-length * spq // tpq), 1) for spq in (STORED_STEPS, ROLL_STEPS)
    )
    base, line = _offsets(stored_steps), part * 128 + pitch
    bar = np.searchsorted(begin, (start, stop), side="right") - 1
    inside = (2 * ((start, stop) - begin[bar]) * STORED_STEPS + tpq) // (2 * tpq)
    start, stop = base[bar] + np.minimum(inside, stored_steps[bar])
    keep, start, stop = _resolve_overlaps(start, stop, line, base[-1])
    part, pitch, velocity, line = (c[keep] for c in (part, pitch, velocity, line))

    new_base = _offsets(roll_steps)
    bar = np.minimum(np.searchsorted(base, (start, stop), side="right") - 1, len(begin) - 1)
    inside = (2 * ((start, stop) - base[bar]) * ROLL_STEPS + STORED_STEPS) // (2 * STORED_STEPS)
    start, stop = new_base[bar] + np.minimum(inside, roll_steps[bar])
    keep, start, stop = _resolve_overlaps(start, stop, line, new_base[-1])
    part, pitch, velocity = (c[keep] for c in (part, pitch, velocity))

    shift = np.maximum(steps - roll_steps, 0) - new_base[:-1]  # from cells to steps of their bars
    roll = np.zeros((len(begin), len(instruments), 3, int(steps.max()), 128), np.uint8)
    held = stop - start - 1
    note = np.repeat(np.arange(len(start)), held)
    cell = ragged_range(held, start + 1)
    bar = np.searchsorted(new_base, cell, side="right") - 1
    roll[bar, part[note], 1, cell + shift[bar], pitch[note]] = 1
    bar = np.searchsorted(new_base, start, side="right") - 1
    roll[bar, part, 0, start + shift[bar], pitch] = 1
    roll[bar, part, 2, start + shift[bar], pitch] = velocity
    return roll


def _bars(meters: list[tuple[int, int, int]], end: int, tpq: int) -> tuple[Ints, Ints, Ints]:
    """Return start and length of bars in ticks, and the number of steps of their meters."""
    if not meters or meters[0][0]:
        meters = [(0, 4, 4), *meters]
    bars: list[tuple[int, int, int]] = []
    pickup = False
    for i, (tick, numerator, denominator) in enumerate(meters):
        full = max(round(4 * tpq * numerator / denominator), 1)
        steps = -(-4 * ROLL_STEPS * numerator // denominator)
        until = meters[i + 1][0] if i + 1 < len(meters) else end
        if pickup and full > bars[0][1]:
            bars[0] = (*bars[0][:2], steps)
        for begin in range(tick, min(until, end), full):
            last = i + 1 == len(meters)
            length = full if last else min(full, until - begin)
            bars.append((begin, length, -(-length * ROLL_STEPS // tpq)))
        pickup = i == 0 and len(bars) == 1
    begin, length, steps = np.array(bars, np.int64).T
    return begin, length, steps


def _offsets(counts: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)])


def _resolve_overlaps(start: Ints, stop: Ints, line: Ints, end: int) -> tuple[Ints, Ints, Ints]:
    """Keep the longest of simultaneous notes, end notes at the next onset of their pitch."""
    start = np.minimum(start, end - 1)
    stop = np.maximum(stop, start + 1)
    order = np.lexsort((-stop, start, line))
    place = line[order] * (end + 1) + start[order]
    order = order[np.append(True, np.diff(place) != 0)]
    start, stop, line = start[order], stop[order], line[order]
    is_same_line = line[1:] == line[:-1]
    stop[:-1] = np.where(is_same_line, np.minimum(stop[:-1], start[1:]), stop[:-1])
    return order, start, stop


_MUSPY = """
import io, json, sys, time
import mido, muspy
print(muspy.__version__, flush=True)
for path in sys.stdin:
    with open(json.loads(path), "rb") as file:
        content = file.read()
    wall, own = time.perf_counter(), time.process_time()
    music = muspy.from_mido(mido.MidiFile(file=io.BytesIO(content)))
    roll = muspy.to_pianoroll_representation(music)
    print(json.dumps([time.perf_counter() - wall, time.process_time() - own]), flush=True)
"""


class Muspy:
    """muspy's reader and piano roll, in a process of another interpreter."""

    def __init__(self, python: str) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([python, "-c", _MUSPY], stdin=pipe, stdout=pipe, text=True)
        self.version = self._answer()

    def times(self, path: str) -> tuple[float, float]:
        """Return wall-clock and processor seconds for one file."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(path) + "\n")
        self._process.stdin.flush()
        wall, own = json.loads(self._answer())
        return wall, own

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("muspy exited; see its message above")
        return line.strip()
