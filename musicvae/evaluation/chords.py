"""How well samples keep the chords that they were asked for, beside songs and their own chords."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from musicvae.chords import ChordMap
from musicvae.data import WindowDataset
from musicvae.data.batch import ModelInput, WindowBatcher
from musicvae.harmony import estimate_chords
from musicvae.metrics.chords import Count, chord_tones, majmin_matches
from musicvae.model import MusicVAE
from musicvae.representation.bars import Notes, resolve_note_overlaps
from musicvae.representation.chord_grid import quarter_chords
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER
from musicvae.representation.templates import empty_parts

MAX_SONGS, MAX_BARS = 64, 128


@dataclass(frozen=True, kw_only=True)
class ChordScores:
    """Figures of chords, by set: `songs` as they are; `samples` over the chords of these songs;
    `unconditional`, samples of the model without chords.

    Chords that a song does not state are those found in its notes, which favors `songs`.
    """

    songs: int
    tones: dict[str, float]
    """Share of the time of pitched notes in which they are tones of the chord."""
    majmin: dict[str, float]
    """Share of the quarters with a major or minor chord in which `estimate_chords` finds that
    root and mode in the notes."""


def evaluate_chords(
    model: MusicVAE, windows: WindowDataset, *, seed: int = 0
) -> ChordScores | None:
    """Return the figures over at most 64 songs of a split, or None if no song has chords.

    Of songs that go through the model in several passes the first one is taken.
    """
    seen, chosen = set[str](), list[int]()
    for index, source in enumerate(windows.inputs):
        if source.path not in seen and source.chords is not None and len(source.bars) <= MAX_BARS:
            chosen.append(index)
        seen.add(source.path)
    nth = np.linspace(0, len(chosen) - 1, min(len(chosen), MAX_SONGS)).astype(np.int64)
    rng = np.random.default_rng(seed)
    tones, majmin = dict[str, list[Count]](), dict[str, list[Count]]()
    for index in [chosen[i] for i in nth.tolist()]:
        source = windows.inputs[index]
        for name, notes in (
            ("songs", windows.batcher.input_notes(index)),
            ("samples", _sampled_notes(model, source, rng)),
            ("unconditional", _sampled_notes(model, replace(source, chords=None), rng)),
        ):
            kept, matched = _count(model, source, notes)
            tones.setdefault(name, []).append(kept)
            majmin.setdefault(name, []).append(matched)
    if not chosen:
        return None
    return ChordScores(
        songs=len(nth),
        tones={name: _share(counts) for name, counts in tones.items()},
        majmin={name: _share(counts) for name, counts in majmin.items()},
    )


def _sampled_notes(model: MusicVAE, source: ModelInput, rng: np.random.Generator) -> Notes:
    """Return sampled notes over the bars, active parts and chords of an input."""
    batcher = WindowBatcher([source], model.preset)
    z = model.sample_latents(batcher, np.zeros(1, np.int64), 1.0, rng)
    return model.decode_notes(batcher, source.bars, z, refine_steps=model.refine_steps)


def _count(model: MusicVAE, source: ModelInput, notes: Notes) -> tuple[Count, Count]:
    """Return the counts of `chord_tones` and `majmin_matches` for notes in the slots of a model."""
    header = replace(source.bars.header, parts=empty_parts(model.preset), chords=ChordMap.none())
    bars = replace(source.bars, header=header, notes=resolve_note_overlaps(source.bars.grid, notes))
    song = bars.at(STORED_STEPS_PER_QUARTER).to_song()
    asked = source.chords
    assert asked is not None  # as chosen
    found = quarter_chords(estimate_chords(song).chords, bars.grid, asked.shape[1])
    return chord_tones(bars, asked), majmin_matches(asked, found)


def _share(counts: list[Count]) -> float:
    total = sum(count.total for count in counts)
    return sum(count.right for count in counts) / total if total else float("nan")
