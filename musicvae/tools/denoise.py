"""Denoising: correct improbable notes of a song and keep all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from musicvae.downbeats import BarlineEstimate
from musicvae.errors import ConfigError
from musicvae.latent.codec import Codec
from musicvae.latent.note_posterior import NotePosterior, note_posterior
from musicvae.latent.song_input import SongInput
from musicvae.latent.surprisal import DEFAULT_CORRUPTION
from musicvae.representation.bars import bar_and_step
from musicvae.representation.grid import Grid, cells_to_ticks
from musicvae.song import Song
from musicvae.tools.note_edits import NoteEdit, Thresholds, apply_edits, propose_edits

_CORRUPTION_BY_EDIT = {
    "removed": "insertion",
    "added": "deletion",
    "moved": "onset_jitter",
    "pitch": "pitch_substitution",
}
CORRUPTION_PER_EDIT = 1.3  # corrupted notes for each proposed edit
MIN_CORRUPTION, MAX_CORRUPTION = 0.005, 0.3
MIN_KIND_SHARE = 0.25  # a kind is ignored below this share of the most frequent one
MAX_EDIT_SHARE, MIN_NOTES = 0.5, 16  # edits that a pass of at least this many notes may have
MAX_EDIT_GROWTH = 2.0  # stop if a pass proposes more than this times the edits of the one before


@dataclass(frozen=True, kw_only=True)
class NoteChange:
    """One change of a note, at its musical position."""

    kind: str
    """`removed`, `added`, `moved` or `pitch`."""
    part: int
    name: str
    bar: int
    """Counts from 1; a pickup is bar 0."""
    beat: float
    """In beats of the meter, from 1."""
    to_beat: float | None
    """New beat of a moved note, in bar `to_bar`."""
    to_bar: int | None
    pitch: int | None
    """MIDI pitch before; `None` for an added note."""
    to_pitch: int | None
    """MIDI pitch after; `None` for a removed note."""
    probability_before: float | None
    """Probability of the note before; `None` for an added note."""
    probability_after: float | None
    """Probability of the note after; `None` for a removed note."""
    tick: int
    """Approximate position in the file, before the change."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data with rounded numbers."""
        keys = {"probability_before": "heard", "probability_after": "believed"}
        return {
            keys.get(name, name): round(value, 4) if isinstance(value, float) else value
            for name, value in vars(self).items()
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class DenoiseResult:
    """A corrected song, the original, and the changes between them."""

    song: Song
    original: Song
    changes: list[NoteChange]
    """In the order of time."""
    n_passthrough: int
    """Number of notes that the model cannot represent; they are unchanged."""

    @property
    def n_changed(self) -> int:
        """Number of notes of the original that were changed or removed."""
        return sum(change.pitch is not None for change in self.changes)


def denoise(
    codec: Codec,
    song: Song | BarlineEstimate,
    *,
    strength: float = 0.5,
    corruption: Mapping[str, float] | None = None,
    passes: int = 2,
) -> DenoiseResult:
    """Correct improbable notes of a song and list the changes.

    All other notes come back exactly as they were. Needs a denoising model
    (`training.objective = "dae"` with several kinds of corruption).

    Args:
        song: the song to correct.
        strength: 0 to 1. At 0 nothing is changed; the higher, the more probable a note may be that
            is still changed.
        corruption: expected share of corrupted notes by kind, such as `{"onset_jitter": 0.2}`, with
            the kinds of `training.corruption`. By default the first pass assumes a little of every
            kind, later ones the amounts found before.
        passes: number of passes through the model if `corruption` is not given.

    Raises `ConfigError` if the model was not trained on such corruption, `DataError` if it can
    represent none of the notes.
    """
    if not 0 <= strength <= 1:
        raise ConfigError(f"strength {strength:g}: choose 0 (nothing is changed) to 1")
    source = SongInput.from_song(codec.preset, song).require_notes()
    barlines, grid = source.barlines, source.bars.grid
    known = codec.preset.training.condition_kinds
    assumed = corruption or {k: share for k, share in DEFAULT_CORRUPTION.items() if k in known}
    n_passes = passes if corruption is None else 1
    thresholds = Thresholds.from_strength(strength)
    edits, posteriors = _propose_edits(codec, source, assumed, thresholds, n_passes)
    edited = apply_edits(barlines.song, source.bars, posteriors, edits)
    changes = [_note_change(edit, barlines.song, grid) for own in edits for edit in own]
    return DenoiseResult(
        song=barlines.undo(edited) if any(edits) else barlines.original,
        original=barlines.original,
        changes=sorted(changes, key=lambda change: (change.tick, change.part)),
        n_passthrough=source.n_passthrough,
    )


def _propose_edits(
    codec: Codec,
    source: SongInput,
    corruption: Mapping[str, float],
    thresholds: Thresholds,
    passes: int,
) -> tuple[list[list[NoteEdit]], list[NotePosterior]]:
    """Return the edits and note probabilities of each model input.

    After the first pass the model is conditioned on the corruption found. If it then proposes far
    more edits, the first ones are kept. An input is left unchanged if most of its notes
    would be edited: the model does not fit this kind of music.
    """
    edits: list[list[NoteEdit]] = []
    posteriors: list[NotePosterior] = []
    sizes = [len(each.model_pass.notes) for each in source.inputs]
    for nth in range(passes):
        current = note_posterior(codec.vae, source.inputs, corruption)
        proposed = [propose_edits(posterior, thresholds) for posterior in current]
        proposed = [
            own if len(own) <= MAX_EDIT_SHARE * max(n_notes, MIN_NOTES) else []
            for own, n_notes in zip(proposed, sizes, strict=True)
        ]
        if nth and sum(map(len, proposed)) > MAX_EDIT_GROWTH * sum(map(len, edits)):
            break
        edits, posteriors = proposed, current
        if nth + 1 < passes:
            corruption = _estimate_corruption(edits, sum(sizes), corruption)
    return edits, posteriors


def _estimate_corruption(
    edits: list[list[NoteEdit]], n_notes: int, kinds: Mapping[str, float]
) -> dict[str, float]:
    """Return the share of corrupted notes by kind that edits imply, without rare kinds."""
    count = Counter(_CORRUPTION_BY_EDIT[edit.kind] for own in edits for edit in own)
    most = max(count.values(), default=0)
    shares = {kind: CORRUPTION_PER_EDIT * count[kind] / max(n_notes, 1) for kind in kinds}
    return {
        kind: min(max(share, MIN_CORRUPTION), MAX_CORRUPTION)
        for kind, share in shares.items()
        if count[kind] >= MIN_KIND_SHARE * most
    }


def _note_change(edit: NoteEdit, song: Song, grid: Grid) -> NoteChange:
    def position(at: tuple[int, int] | None) -> tuple[int | None, float | None, int | None]:
        if at is None:
            return None, None, None
        bar, step = (int(n) for n in bar_and_step(grid, np.array(at[0])))
        beat = 1 + step * int(grid.denominator[bar]) / (4 * grid.steps_per_quarter)
        return bar + (grid.lead_steps[0] == 0), round(beat, 3), at[1]

    bar, beat, pitch = position(edit.before)
    to_bar, to_beat, to_pitch = position(edit.after)
    part = song.parts[edit.part]
    first_bar = bar if bar is not None else to_bar
    first_beat = beat if beat is not None else to_beat
    assert first_bar is not None and first_beat is not None
    moved = edit.kind == "moved"
    before, after = edit.probability_before, edit.probability_after
    return NoteChange(
        kind=edit.kind,
        part=edit.part,
        name=part.name or f"part {edit.part + 1}",
        bar=int(first_bar),
        beat=first_beat,
        to_bar=int(to_bar) if moved and to_bar is not None else None,
        to_beat=to_beat if moved else None,
        pitch=pitch,
        to_pitch=to_pitch,
        probability_before=None if np.isnan(before) else before,
        probability_after=None if np.isnan(after) else after,
        tick=int(cells_to_ticks(grid, np.array([edit.cell]))[0]),
    )
