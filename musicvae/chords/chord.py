"""One chord: a spelled root and bass, and a quality of the vocabulary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from musicvae.chords.spelling import MAX_FIFTHS, MIN_FIFTHS, inversion_fifths, pitch_class
from musicvae.chords.vocabulary import QUALITIES, nearest_quality, semitones

MAX_LABEL_LENGTH = 40
"""Characters of the label of a chord in any syntax; longer texts are none."""


@dataclass(frozen=True)
class Chord:
    """A chord of the vocabulary; `NO_CHORD` where there is none.

    `root` and `bass` are spelled pitch classes as fifths above C (`spelling`), `quality` is an
    index of `QUALITIES`. Raises `ValueError` for numbers out of range.
    """

    root: int = 0
    quality: int = 0
    bass: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.quality < len(QUALITIES):
            raise ValueError(f"no quality {self.quality} in the vocabulary")
        if not (MIN_FIFTHS <= min(self.root, self.bass) <= max(self.root, self.bass) <= MAX_FIFTHS):
            raise ValueError("root and bass must be from Fbb to B##")
        if not self.quality and (self.root or self.bass):
            raise ValueError("no chord has neither root nor bass")

    @property
    def pitch_classes(self) -> frozenset[int]:
        """Pitch classes 0..11 of the chord and its bass; empty for no chord."""
        if not self.quality:
            return frozenset()
        root = pitch_class(self.root)
        tones = {(root + interval) % 12 for interval in QUALITIES[self.quality].intervals}
        return frozenset(tones | {pitch_class(self.bass)})

    def transpose(self, semitones: int, fifths: int | None = None) -> Chord:
        """Return the chord `semitones` higher, whose names move by `fifths` (by default -5..6)."""
        if not self.quality:
            return self
        if fifths is None:
            fifths = (7 * semitones + 5) % 12 - 5
        return replace(self, root=respell(self.root + fifths), bass=respell(self.bass + fifths))


def respell(fifths: int) -> int:
    """Return a pitch class under a usual name: from F flat to A sharp."""
    return (fifths + 8) % 12 - 8 if not -8 <= fifths <= 10 else fifths


NO_CHORD = Chord()
"""No chord, N in Harte syntax."""


def nearest_chord(
    root: int, degrees: Iterable[str], *, bass: int | None = None, inversion: int = 0
) -> tuple[Chord, bool] | None:
    """Return the chord of the vocabulary nearest to degrees above a root; whether it is the same.

    Without a `bass` it is that of the `inversion`, 0 for the root. None if a name is out of range.
    """
    degrees = set(degrees)
    if bass is None:
        bass = root + inversion_fifths(degrees, inversion)
    if not MIN_FIFTHS <= min(root, bass) <= max(root, bass) <= MAX_FIFTHS:
        return None
    quality, is_exact = nearest_quality(semitones(degrees))
    return Chord(root, quality, bass), is_exact
