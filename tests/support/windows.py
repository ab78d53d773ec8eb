"""Small tables of notes."""

from __future__ import annotations

import numpy as np

from musicvae.representation.note_table import NoteTable


def make_table(
    notes: list[tuple[int, ...]],
    n: int = 1,
    kinds: tuple[str, ...] = ("voice",),
    bars: int = 2,
    steps: int = 4,
    songs: list[int] | None = None,
) -> NoteTable:
    """Return `n` windows of bars of `steps` steps.

    A note is `(window, bar, position, part, pitch, duration)`, optionally with velocity and timing.
    """
    rows = [tuple(note) + (80, 0)[len(note) - 6 :] for note in notes]
    return NoteTable(
        rows=np.array(rows, np.int64).reshape(-1, 8),
        steps=np.full((n, bars), steps),
        lead_steps=np.zeros((n, bars), np.int64),
        meter=np.ones((n, bars), np.int64),
        present=np.ones((n, bars, len(kinds)), bool),
        song=np.arange(n) if songs is None else np.array(songs),
        qpm=np.full(n, 120.0),
        part_kinds=kinds,
        steps_per_quarter=1,
    )


def random_melodies(n: int, seed: int = 0, kinds: tuple[str, ...] = ("voice",)) -> NoteTable:
    """Return windows of two bars with a random onset in most cells."""
    rng = np.random.default_rng(seed)
    notes = [
        (w, b, 1 + s, p, int(rng.integers(55, 75)), 1)
        for w in range(n)
        for b in range(2)
        for s in range(8)
        for p in range(len(kinds))
        if rng.random() < 0.7
    ]
    return make_table(notes, n, kinds, steps=8)
