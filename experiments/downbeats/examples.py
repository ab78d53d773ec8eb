"""Training examples of the downbeat network: features and bar lines of songs, with augmentation.

Augmentation imitates real files: parts dropped or merged, lengths and accents changed, notes moved
and dropped, beginnings cut off, drums of real takes added to songs without drums.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from experiments.downbeats.known_bars import Known, bar_lines
from musicvae.downbeats.decoding import METER_CELLS
from musicvae.downbeats.features import CELLS_PER_QUARTER, NoteFeatures, cell_features
from musicvae.downbeats.network import METERS

ALIAS = {
    "4/8": "2/4", "2/8": "1/4", "1/2": "2/4", "8/8": "4/4", "6/16": "3/8", "12/16": "3/4",
    "3/1": "3/2", "8/4": "4/2", "10/4": "5/4", "4/16": "1/4",
}  # fmt: skip
UNKNOWN = 255
MAX_CELLS = 4000  # of a song


@dataclass(frozen=True)
class Example:
    """Features of a song `(T, F)`, bar lines and meters `(T,)`."""

    corpus: str
    rows: np.ndarray
    lines: np.ndarray
    meters: np.ndarray


Take = list[tuple[np.ndarray, np.ndarray, np.ndarray]]  # for each bar cells, pitches, velocities


def make_example(
    one: Known, takes: dict[str, list[Take]], rng: np.random.Generator | None
) -> Example:
    """Return the example of a song, augmented if `rng` is given."""
    song, lines = one.song, bar_lines(one.song)
    scale = CELLS_PER_QUARTER / song.ticks_per_quarter
    parts = [part for part in song.parts if len(part)]
    count = [len(part) for part in parts]
    columns = [
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("onset_ticks", "duration_ticks", "pitch", "velocity")
    ]
    at, length = columns[0] * scale, columns[1] * scale
    notes = NoteFeatures(
        at, length, columns[2], columns[3],
        np.repeat(np.arange(len(parts)), count), np.repeat([p.is_drum for p in parts], count),
    )  # fmt: skip
    line = np.array([tick for tick, _ in lines]) * scale
    names = [ALIAS.get(name, name) for _, name in lines]
    begin, lead = np.floor(notes.cell.min() + 0.5), 0
    if rng is not None:
        if lines and not notes.is_drum.any() and rng.random() < 0.3:
            notes = _with_drums(notes, line, names, takes, rng)
        notes = _augment_notes(notes, rng)
        begin, lead = _random_start(notes.cell, rng)
        notes = notes.select(notes.cell >= begin - 0.5)
    cell = np.maximum(np.floor(notes.cell - begin + lead + 0.5), 0).astype(np.int64)
    end = min((cell + np.maximum(notes.length, 0.25)).max(), cell.max() + 32)
    n_cells = min(int(np.ceil(end)) + 1, MAX_CELLS)
    kept = notes._replace(cell=cell, length=np.minimum(notes.length, 64.0)).select(cell < n_cells)
    place = np.floor(line - begin + lead + 0.5).astype(np.int64)
    is_line, meters = np.zeros(n_cells, np.uint8), np.full(n_cells, UNKNOWN, np.uint8)
    is_line[place[(place >= 0) & (place < n_cells)]] = 1
    for i, (start, name) in enumerate(zip(place.tolist(), names, strict=True)):
        stop = place[i + 1] if i + 1 < len(place) else n_cells
        last = i + 1 == len(place)
        if name in METERS and (last or stop - start == METER_CELLS[METERS.index(name)]):
            meters[max(start, 0) : max(stop, 0)] = METERS.index(name)
    rows = cell_features(kept, n_cells).astype(np.float16)
    return Example(one.corpus, rows, is_line, meters)


def _augment_notes(notes: NoteFeatures, rng: np.random.Generator) -> NoteFeatures:
    n = len(notes.cell)
    keep = np.ones(n, bool)
    parts = np.unique(notes.part)
    if len(parts) > 1 and rng.random() < 0.35:
        some = rng.choice(parts, rng.integers(1, len(parts)), replace=False)
        keep &= np.isin(notes.part, some)
    if notes.is_drum.any() and not notes.is_drum.all() and rng.random() < 0.35:
        keep &= ~notes.is_drum
    if keep.sum() < 8:
        keep[:] = True
    if rng.random() < 0.4:
        each = rng.uniform(0.8, 1.2, n) if rng.random() < 0.5 else 1.0
        notes = notes._replace(length=notes.length * rng.uniform(0.4, 1.1) * each)
    if rng.random() < 0.5:
        notes = notes._replace(velocity=np.full_like(notes.velocity, 80))
    elif rng.random() < 0.3:
        accents = np.clip(notes.velocity + rng.integers(-12, 13, n), 1, 127)
        notes = notes._replace(velocity=accents)
    if rng.random() < 0.3:
        notes = notes._replace(part=np.where(notes.is_drum, 1, 0))
    if rng.random() < 0.3:
        off = (rng.random(n) < 0.05) * rng.choice([-1, 1], n) * rng.uniform(0.3, 1, n)
        notes = notes._replace(cell=notes.cell + off)
    if rng.random() < 0.3:
        some_left = keep & (rng.random(n) < rng.uniform(0.8, 1))
        keep = some_left if some_left.sum() >= 4 else keep
    return notes.select(keep)


def _random_start(cell: np.ndarray, rng: np.random.Generator) -> tuple[float, int]:
    """Return the cell at which the example begins, and the cells of silence before it."""
    begin = first = np.floor(cell.min() + 0.5)
    if rng.random() < 0.5:
        begin = first + rng.integers(0, 33)
    if rng.random() < 0.25:
        begin += rng.integers(0, max(int(cell.max() - first - 200), 1))
    if (cell >= begin - 0.5).sum() < 4:
        begin = first
    return begin, 0 if rng.random() < 0.6 else int(rng.integers(0, 17))


def _with_drums(
    notes: NoteFeatures,
    line: np.ndarray,
    names: list[str],
    takes: dict[str, list[Take]],
    rng: np.random.Generator,
) -> NoteFeatures:
    """Return a song with the drums of a real take added, bar by bar."""
    usual = Counter(names).most_common(1)[0][0]
    options = takes.get({"2/2": "4/4"}.get(usual, usual))
    if not options:
        return notes
    take = options[rng.integers(len(options))]
    offset, loop = rng.integers(len(take)), int(rng.choice([1, 2, 4, 8, 999]))
    hits = [
        (np.maximum(start + cell, 0), pitch, velocity)
        for i, (start, name) in enumerate(zip(line, names, strict=True))
        if name == usual
        for cell, pitch, velocity in [take[(offset + i % loop) % len(take)]]
    ]
    cell, pitch, velocity = (np.concatenate(column) for column in zip(*hits, strict=True))
    n = len(cell)
    drums = NoteFeatures(
        cell, np.full(n, 0.5), pitch, velocity, np.full(n, notes.part.max() + 1), np.ones(n, bool)
    )
    return NoteFeatures(*(np.concatenate(pair) for pair in zip(notes, drums, strict=True)))


def drum_takes(songs: list[Known]) -> dict[str, list[Take]]:
    """Return drum takes by meter, each a list of bars."""
    found: dict[str, list[Take]] = defaultdict(list)
    for one in songs:
        lines = bar_lines(one.song)
        scale = CELLS_PER_QUARTER / one.song.ticks_per_quarter
        at = np.concatenate([p.onset_ticks for p in one.song.parts]) * scale
        pitch, velocity = (
            np.concatenate([getattr(p, name) for p in one.song.parts])
            for name in ("pitch", "velocity")
        )
        edges = np.array([tick for tick, _ in lines]) * scale
        bar = np.searchsorted(edges - 0.5, at, side="right") - 1
        bars = [
            (at[bar == b] - edges[b], pitch[bar == b], velocity[bar == b])
            for b in range(len(edges) - 1)
        ]
        if len(bars) >= 4:
            found[lines[0][1]].append(bars)
    return dict(found)
