"""Keys and key signatures: estimation, names, and the circle of fifths.

Songs are modeled in one common key, which leaves the model twelve times less to learn about
pitch. The shift is side information, log2(12) = 3.6 bits per song, and is undone after decoding.
Relative major and minor share their seven pitch classes, so the two need not be distinguished.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.chords.spelling import format_name, parse_name
from musicvae.errors import ConfigError

MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
"""Pitch classes of the C major scale."""
MAJOR_SCALE_MASK = np.isin(np.arange(12), MAJOR_SCALE)
"""Whether each pitch class belongs to the C major scale. `(12,)`"""

_PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_IntOrArray = TypeVar("_IntOrArray", int, Ints)


def estimate_diatonic_key(pitch: Ints, weight: NDArray[np.floating] | Ints | None = None) -> int:
    """Return the tonic of the major scale that contains most of the notes.

    `pitch` and `weight` (durations, say; 1 each by default) are `(M,)`. The result is -6..5, in
    semitones above C; of equally good scales the one nearest to 0. Subtract it from pitches to
    normalize them, add it to undo that.
    """
    shares = np.bincount(np.asarray(pitch) % 12, weights=weight, minlength=12)
    candidates = sorted(range(-6, 6), key=abs)
    scale = MAJOR_SCALE_MASK.astype(np.float64)
    scores = [float(shares @ np.roll(scale, tonic)) for tonic in candidates]
    return candidates[int(np.argmax(np.round(scores, 6)))]


def estimate_fifths(pitch: Ints, weight: NDArray[np.floating] | Ints | None = None) -> int:
    """Return the key signature of the estimated diatonic key in fifths, -6..5."""
    return transpose_fifths(0, estimate_diatonic_key(pitch, weight))


def pitch_name(pitch: int) -> str:
    """Return the name of a MIDI pitch: 60 is `C4`, 61 `C#4`."""
    return f"{_PITCH_CLASSES[pitch % 12]}{pitch // 12 - 1}"


def transpose_fifths(fifths: _IntOrArray, semitones: int) -> _IntOrArray:
    """Return a key signature's fifths, -6..5, after a transposition by `semitones`."""
    return (fifths + 7 * semitones + 6) % 12 - 6


def tonic_name(fifths: int, minor: bool) -> str:
    """Return the tonic of a key signature of -7..7 fifths: `tonic_name(-3, True)` is `C`."""
    return key_of_signature(fifths, minor).tonic_name


# -- keys as people write them --------------------------------------------------------------------

KEY_EXAMPLES = "'D minor', Eb, F#m or 'G dorian'"
"""How to write a key, for help and errors."""
_SIGNS = {"#": "#", "\u266f": "#", "sharp": "#", "b": "b", "\u266d": "b", "flat": "b"}
_MODE_FIFTHS = {
    "major": 0,
    "minor": -3,
    "ionian": 0,
    "dorian": -2,
    "phrygian": -4,
    "lydian": 1,
    "mixolydian": -1,
    "aeolian": -3,
    "locrian": -5,
}
"""Sharps of a mode's signature more than of the major key of its tonic."""
MINOR_MODES = ("minor", "aeolian")
"""Modes that a key signature of MIDI, which has major and minor, calls minor."""
_SHORT_MODES = {"": "major", "maj": "major", "m": "minor", "min": "minor"}
_MODE_NAMES = "|".join(sorted({*_MODE_FIFTHS, "maj", "min"}, key=len, reverse=True))
_TONIC = r"(?P<{0}>[A-Ga-g])[ -]?(?P<{0}_sign>#|b|\u266f|\u266d|sharp|flat)?"
_KEY = re.compile(
    rf"{_TONIC.format('tonic')}(?:[ -]*(?P<mode>m|(?i:{_MODE_NAMES})))?"
    rf"|(?P<mode_first>(?i:{_MODE_NAMES}))(?: +(?:on|in))? +{_TONIC.format('after')}"
)
_MAX_FIFTHS = 7


@dataclass(frozen=True)
class Key:
    """A key: its tonic in fifths above C (D is 2, E flat -3), and its mode (`minor`, `dorian`)."""

    tonic: int
    mode: str = "major"

    @property
    def fifths(self) -> int:
        """Sharps of the signature, flats if negative: -1 for G dorian."""
        return self.tonic + _MODE_FIFTHS[self.mode]

    @property
    def is_minor(self) -> bool:
        """Whether a key signature of MIDI is minor."""
        return self.mode in MINOR_MODES

    @property
    def major_tonic(self) -> int:
        """Tonic of the major scale with the same notes, -6..5 in semitones above C."""
        return transpose_fifths(0, self.fifths)  # a fifth is seven semitones, and back

    @property
    def tonic_name(self) -> str:
        """Name of the tonic: `F#`."""
        return format_name(self.tonic)

    def __str__(self) -> str:
        """Return the name, which `parse_key` reads: ``"F# minor"``."""
        return f"{self.tonic_name} {self.mode}"


def parse_key(name: str) -> Key:
    """Return the key of a name such as `D minor`, `Eb`, `F#m`, `G dorian` or `dorian on G`.

    A tonic alone is a major key. Raises `ConfigError` for any other text, and for more than seven
    accidentals.
    """
    match = _KEY.fullmatch(" ".join(name.split()))
    if not match:
        raise ConfigError(f"no key {name!r}: write it as {KEY_EXAMPLES}")
    letter, sign = match["tonic"] or match["after"], match["tonic_sign"] or match["after_sign"]
    mode = (match["mode"] or match["mode_first"] or "").lower()
    tonic = parse_name(letter.upper() + _SIGNS.get(sign, ""))
    assert tonic is not None  # the expression has no other names
    key = Key(tonic, _SHORT_MODES.get(mode, mode))
    if abs(key.fifths) > _MAX_FIFTHS:
        raise ConfigError(f"{name!r} has {abs(key.fifths)} accidentals: use its enharmonic key")
    return key


def find_mode(name: str) -> str | None:
    """Return the mode that begins with the same three letters as a name: `dorian` for `Dor`."""
    return next((mode for mode in _MODE_FIFTHS if mode[:3] == name[:3].lower()), None)


def key_of_signature(fifths: int, minor: bool) -> Key:
    """Return the major or minor key of a signature of -7..7 fifths."""
    return Key(fifths + 3 * minor, "minor" if minor else "major")
