"""Floor 8: a song with what is improbable in it put right, and nothing else."""

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
from musicvae.latent.song_input import SongInput, read
from musicvae.latent.surprisal import DEFAULT_CORRUPTION
from musicvae.representation.bars import bar_and_step
from musicvae.representation.grid import Grid, cells_to_ticks
from musicvae.song import Song
from musicvae.tools.note_edits import NoteEdit, Thresholds, apply_edits, changes

_CAUSE = {"removed": "added", "added": "dropped", "moved": "jitter", "pitch": "wrong"}
_MISSED = 1.3  # damage there is for each that is found
_LEAST, _MOST = 0.005, 0.3
_RARE = 0.25
_MOST_CHANGED, _FEW = 0.5, 16  # share of the notes, and of how many at least
_LOST = 2.0  # so many times the changes of the pass before are no repair any more


@dataclass(frozen=True, kw_only=True)
class NoteChange:
    """One change, where a musician would look for it."""

    kind: str
    """`removed`, `added`, `moved` or `pitch`."""
    part: int
    name: str
    bar: int
    """Counts from 1; a pickup is bar 0."""
    beat: float
    """In the meter's beats, from 1 on."""
    to_beat: float | None
    """Where a moved note is now; in bar `to_bar`."""
    to_bar: int | None
    pitch: int | None
    """MIDI pitch as heard, none if none was."""
    to_pitch: int | None
    """MIDI pitch now, none if it was taken out."""
    heard: float | None
    """How probable the note was as heard."""
    believed: float | None
    """How probable it is as it is now."""
    tick: int
    """Where it is in the file, roughly: before the change, or of a note put in."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, numbers rounded."""
        return {
            key: round(value, 4) if isinstance(value, float) else value
            for key, value in vars(self).items()
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class DenoiseResult:
    """A repaired song, what it was, and what was changed."""

    song: Song
    original: Song
    changes: list[NoteChange]
    n_passthrough: int
    """Notes that the model cannot hear; they are as they were."""

    @property
    def n_changed(self) -> int:
        """Notes of the original that are not as they were."""
        return sum(change.pitch is not None for change in self.changes)


def denoise(
    codec: Codec,
    song: Song | BarlineEstimate,
    *,
    strength: float = 0.5,
    damage: Mapping[str, float] | None = None,
    passes: int = 2,
) -> DenoiseResult:
    """`MusicVAE.denoise`."""
    if not 0 <= strength <= 1:
        raise ConfigError(f"strength {strength:g}: choose 0 (nothing is changed) to 1")
    reading = read(codec, song)
    aligned = reading.aligned
    known = codec.preset.training.condition_kinds
    expected = damage or {kind: share for kind, share in DEFAULT_CORRUPTION.items() if kind in known}
    sought = passes if damage is None else 1
    found, beliefs = _decided(codec, reading, expected, Thresholds.of(strength), sought)
    made = apply_edits(aligned.song, reading.bars, beliefs, found)
    mends = [_mend(change, aligned.song, reading.bars.grid) for mine in found for change in mine]
    return DenoiseResult(
        song=aligned.undo(made) if any(found) else aligned.original,
        original=aligned.original,
        changes=sorted(mends, key=lambda mend: (mend.tick, mend.part)),
        n_passthrough=reading.n_passthrough,
    )


def _decided(
    codec: Codec,
    reading: SongInput,
    expected: Mapping[str, float],
    doubt: Thresholds,
    passes: int,
) -> tuple[list[list[NoteEdit]], list[NotePosterior]]:
    """What to change, and why. After the first pass the model is told the damage that it found; if
    it then finds far more, it has lost the song, and what it found first stands. Where it finds
    most notes wrong it does not know that kind of music, and changes nothing.
    """
    found: list[list[NoteEdit]] = []
    beliefs: list[NotePosterior] = []
    for nth in range(passes):
        heard = note_posterior(codec.vae, reading.sources, expected)
        now = [
            mine if len(mine) <= _MOST_CHANGED * max(len(source.group.notes), _FEW) else []
            for mine, source in zip(
                (changes(belief, doubt) for belief in heard), reading.sources, strict=True
            )
        ]
        if nth and sum(map(len, now)) > _LOST * sum(map(len, found)):
            break
        found, beliefs = now, heard
        if nth + 1 < passes:
            n_notes = sum(len(source.group.notes) for source in reading.sources)
            expected = _damage_in(found, n_notes, expected)
    return found, beliefs


def _damage_in(
    found: list[list[NoteEdit]], n_notes: int, expected: Mapping[str, float]
) -> dict[str, float]:
    """How much of each kind of damage these changes speak of; what is rare beside the others is
    taken for a mistake.
    """
    count = Counter(_CAUSE[change.kind] for mine in found for change in mine)
    most = max(count.values(), default=0)
    told = {kind: _MISSED * count[kind] / max(n_notes, 1) for kind in expected}
    return {
        kind: min(max(share, _LEAST), _MOST)
        for kind, share in told.items()
        if count[kind] >= _RARE * most
    }


def _mend(change: NoteEdit, song: Song, grid: Grid) -> NoteChange:
    def place(at: tuple[int, int] | None) -> tuple[int | None, float | None, int | None]:
        if at is None:
            return None, None, None
        bar, step = (int(n) for n in bar_and_step(grid, np.array(at[0])))
        beat = 1 + step * int(grid.denominator[bar]) / (4 * grid.steps_per_quarter)
        return bar + (grid.lead_steps[0] == 0), round(beat, 3), at[1]

    bar, beat, pitch = place(change.before)
    to_bar, to_beat, to_pitch = place(change.after)
    part = song.parts[change.part]
    where = bar if bar is not None else to_bar
    when = beat if beat is not None else to_beat
    assert where is not None and when is not None
    moved = change.kind == "moved"
    return NoteChange(
        kind=change.kind,
        part=change.part,
        name=part.name or f"part {change.part + 1}",
        bar=int(where),
        beat=when,
        to_bar=int(to_bar) if moved and to_bar is not None else None,
        to_beat=to_beat if moved else None,
        pitch=pitch,
        to_pitch=to_pitch,
        heard=None if np.isnan(change.heard) else change.heard,
        believed=None if np.isnan(change.believed) else change.believed,
        tick=int(cells_to_ticks(grid, np.array([change.cell]))[0]),
    )
