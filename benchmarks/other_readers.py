"""What else could read files into rolls: a way on pretty_midi to the very same ones, and muspy's.

Used by `benchmarks/reading.py`. Both are given a file's bytes, as the pipeline is.
"""

from __future__ import annotations

import io
import json
import subprocess

import numpy as np
import pretty_midi
from numpy.typing import NDArray

Ints = NDArray[np.int64]
FINE, COARSE = 24, 4  # cells a quarter: those that are stored, those of the roll


def by_pretty_midi(content: bytes) -> NDArray[np.uint8]:
    """The roll `(bars, parts, planes, steps, pitches)`, under the bar lines that the file states.

    Arrays wherever pretty_midi lets one: a note's ticks are looked up in its own table, all at
    once, as `PrettyMIDI.time_to_tick` does for one.
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

    fine, coarse = (np.maximum(-(-length * spq // tpq), 1) for spq in (FINE, COARSE))
    base, line = _sums(fine), part * 128 + pitch
    bar = np.searchsorted(begin, (start, stop), side="right") - 1
    inside = (2 * ((start, stop) - begin[bar]) * FINE + tpq) // (2 * tpq)
    start, stop = base[bar] + np.minimum(inside, fine[bar])
    keep, start, stop = _settled(start, stop, line, base[-1])
    part, pitch, velocity, line = (c[keep] for c in (part, pitch, velocity, line))

    new_base = _sums(coarse)
    bar = np.minimum(np.searchsorted(base, (start, stop), side="right") - 1, len(begin) - 1)
    inside = (2 * ((start, stop) - base[bar]) * COARSE + FINE) // (2 * FINE)
    start, stop = new_base[bar] + np.minimum(inside, coarse[bar])
    keep, start, stop = _settled(start, stop, line, new_base[-1])
    part, pitch, velocity = (c[keep] for c in (part, pitch, velocity))

    shift = np.maximum(steps - coarse, 0) - new_base[:-1]  # from a cell to a step of its bar
    roll = np.zeros((len(begin), len(instruments), 3, int(steps.max()), 128), np.uint8)
    held = stop - start - 1
    note = np.repeat(np.arange(len(start)), held)
    cell = start[note] + 1 + np.arange(len(note)) - np.repeat(np.cumsum(held) - held, held)
    bar = np.searchsorted(new_base, cell, side="right") - 1
    roll[bar, part[note], 1, cell + shift[bar], pitch[note]] = 1
    bar = np.searchsorted(new_base, start, side="right") - 1
    roll[bar, part, 0, start + shift[bar], pitch] = 1
    roll[bar, part, 2, start + shift[bar], pitch] = velocity
    return roll


def _bars(meters: list[tuple[int, int, int]], end: int, tpq: int) -> tuple[Ints, Ints, Ints]:
    """Where bars begin, how long they are in ticks, and how many steps their meters have."""
    if not meters or meters[0][0]:
        meters = [(0, 4, 4), *meters]
    bars: list[tuple[int, int, int]] = []
    pickup = False
    for i, (tick, numerator, denominator) in enumerate(meters):
        full = max(round(4 * tpq * numerator / denominator), 1)
        steps = -(-4 * COARSE * numerator // denominator)
        until = meters[i + 1][0] if i + 1 < len(meters) else end
        if pickup and full > bars[0][1]:
            bars[0] = (*bars[0][:2], steps)
        for begin in range(tick, min(until, end), full):
            last = i + 1 == len(meters)
            length = full if last else min(full, until - begin)
            bars.append((begin, length, -(-length * COARSE // tpq)))
        pickup = i == 0 and len(bars) == 1
    begin, length, steps = np.array(bars, np.int64).T
    return begin, length, steps


def _sums(counts: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)])


def _settled(start: Ints, stop: Ints, line: Ints, end: int) -> tuple[Ints, Ints, Ints]:
    """Notes of at least a cell, of twins the longest, none sounding when its pitch starts anew."""
    start = np.minimum(start, end - 1)
    stop = np.maximum(stop, start + 1)
    order = np.lexsort((-stop, start, line))
    place = line[order] * (end + 1) + start[order]
    order = order[np.append(True, np.diff(place) != 0)]
    start, stop, line = start[order], stop[order], line[order]
    same = line[1:] == line[:-1]
    stop[:-1] = np.where(same, np.minimum(stop[:-1], start[1:]), stop[:-1])
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
    """muspy's reading and its piano roll, in an interpreter that has it, with one thread."""

    def __init__(self, python: str) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([python, "-c", _MUSPY], stdin=pipe, stdout=pipe, text=True)
        self.version = self._answer()

    def times(self, path: str) -> tuple[float, float]:
        """Seconds by the wall clock and of the processor for one file."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(path) + "\n")
        self._process.stdin.flush()
        wall, own = json.loads(self._answer())
        return wall, own

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("muspy ended; its message stands above")
        return line.strip()
