"""The chords of a song over time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from musicvae.arrays import ArrayEq, Bools, Ints, freeze_map
from musicvae.chords.chord import Chord
from musicvae.chords.harte import format_harte
from musicvae.chords.vocabulary import QUALITIES

QUALITY_TONES = np.array(
    [[semitone in quality.intervals for semitone in range(12)] for quality in QUALITIES]
)
"""Whether each semitone above the root belongs to a quality. `(qualities, 12)`"""


@dataclass(frozen=True, kw_only=True, eq=False)
class ChordMap(ArrayEq):
    """Chords: from `ticks[i]` on, until the next entry, one of `Chord`. Arrays `(M,)`.

    `root` and `bass` are spelled pitch classes as fifths above C, `quality` indexes `QUALITIES`;
    quality 0 is no chord. The map may be empty: nothing is known. Raises `ValueError` for entries
    that are no chord of the vocabulary.
    """

    ticks: Ints
    root: Ints
    quality: Ints
    bass: Ints

    def __post_init__(self) -> None:
        freeze_map(self, "ticks", "root", "quality", "bass")
        for entry in {
            *zip(self.root.tolist(), self.quality.tolist(), self.bass.tolist(), strict=False)
        }:
            Chord(*entry)

    @classmethod
    def none(cls) -> ChordMap:
        """Return a map without entries."""
        return cls.from_chords([])

    @classmethod
    def from_chords(cls, entries: Iterable[tuple[int, Chord]]) -> ChordMap:
        """Return the map of (tick, chord) entries; of several at one tick the last one applies."""
        rows = np.array([(t, c.root, c.quality, c.bass) for t, c in entries], np.int64)
        ticks, root, quality, bass = rows.reshape(-1, 4).T
        return cls(ticks=ticks, root=root, quality=quality, bass=bass)

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    def chords(self) -> list[Chord]:
        """The chord of each entry."""
        columns = (self.root.tolist(), self.quality.tolist(), self.bass.tolist())
        return [Chord(*entry) for entry in zip(*columns, strict=True)]

    def labels(self, format_chord: Callable[[Chord], str] = format_harte) -> list[str]:
        """Return the label of each entry, in Harte syntax unless `format_chord` gives another."""
        return [format_chord(chord) for chord in self.chords]

    def pitch_classes(self) -> Bools:
        """Return the pitch classes of each chord, with its bass. `(M, 12)`"""
        tones: Bools = np.take_along_axis(
            QUALITY_TONES[self.quality],
            (np.arange(12) - 7 * self.root[:, None]) % 12,
            axis=1,
        )
        has_chord = self.quality > 0
        tones[has_chord, 7 * self.bass[has_chord] % 12] = True
        return tones

    def entry_at(self, ticks: ArrayLike) -> Ints:
        """Return the index of the entry that holds at each tick, -1 before the first one."""
        return np.searchsorted(self.ticks, np.asarray(ticks, np.int64), side="right") - 1

    def simplified(self) -> ChordMap:
        """Return the map without entries that repeat the one before."""
        rows = np.stack([self.root, self.quality, self.bass], 1)
        keep = np.append(True, (np.diff(rows, axis=0) != 0).any(1))[: len(self)]
        return ChordMap(**{name: column[keep] for name, column in vars(self).items()})

    def transposed(self, semitones: int, fifths: int | None = None) -> ChordMap:
        """Return the map with each chord transposed; see `Chord.transpose`."""
        chords = (chord.transpose(semitones, fifths) for chord in self.chords)
        return ChordMap.from_chords(zip(self.ticks.tolist(), chords, strict=True))
