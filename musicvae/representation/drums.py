"""Floor 2: drum kits: General MIDI percussion <-> the nine classes that drum models speak of.

The classes and the pitches that stand for them are those of the reduction published with the
Groove MIDI Dataset (Gillick et al. 2019, "Learning to Groove with Inverse Sequence
Transformations"), extended to all of General MIDI level 1, to what GS and XG add below it, and to
the hi-hat edges of Roland kits. Hand percussion goes by how it is struck, not by what it is:

- skins go to the toms by height (a high bongo is a high tom, a low conga a low one);
- what is shaken, scraped or muted is the closed hi-hat; its long or open twin the open one;
- dry strokes of hand, stick or wood are the snare, as its side stick is;
- bells that keep time are the ride; metal that washes over is the crash;
- whistles, and whatever General MIDI does not know, have no class and are left as they are.

`docs/drums.md` holds the whole table, made by `table()`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from musicvae.song import Ints

CLASSES: tuple[tuple[str, int], ...] = (
    ("kick", 36),
    ("snare", 38),
    ("closed hi-hat", 42),
    ("open hi-hat", 46),
    ("low tom", 43),
    ("mid tom", 47),
    ("high tom", 50),
    ("crash", 49),
    ("ride", 51),
)
"""Name and canonical General MIDI pitch of each class; a class's index is its place here."""

KICK, SNARE, CLOSED, OPEN, LOW, MID, HIGH, CRASH, RIDE = range(9)
NO_CLASS = -1

INSTRUMENTS: dict[int, tuple[str, int]] = {
    22: ("Closed Hi-Hat, edge (Roland)", CLOSED),
    25: ("Snare Roll (GS)", SNARE),
    26: ("Open Hi-Hat, edge (Roland)", OPEN),
    27: ("High Q (GS)", SNARE),
    28: ("Slap (GS)", SNARE),
    29: ("Scratch Push (GS)", CLOSED),
    30: ("Scratch Pull (GS)", OPEN),
    31: ("Sticks (GS)", SNARE),
    32: ("Square Click (GS)", SNARE),
    33: ("Metronome Click (GS)", SNARE),
    34: ("Metronome Bell (GS)", RIDE),
    35: ("Acoustic Bass Drum", KICK),
    36: ("Bass Drum 1", KICK),
    37: ("Side Stick", SNARE),
    38: ("Acoustic Snare", SNARE),
    39: ("Hand Clap", SNARE),
    40: ("Electric Snare", SNARE),
    41: ("Low Floor Tom", LOW),
    42: ("Closed Hi-Hat", CLOSED),
    43: ("High Floor Tom", LOW),
    44: ("Pedal Hi-Hat", CLOSED),
    45: ("Low Tom", MID),
    46: ("Open Hi-Hat", OPEN),
    47: ("Low-Mid Tom", MID),
    48: ("Hi-Mid Tom", HIGH),
    49: ("Crash Cymbal 1", CRASH),
    50: ("High Tom", HIGH),
    51: ("Ride Cymbal 1", RIDE),
    52: ("Chinese Cymbal", CRASH),
    53: ("Ride Bell", RIDE),
    54: ("Tambourine", CLOSED),
    55: ("Splash Cymbal", CRASH),
    56: ("Cowbell", RIDE),
    57: ("Crash Cymbal 2", CRASH),
    58: ("Vibraslap; floor tom rim (Roland)", LOW),
    59: ("Ride Cymbal 2", RIDE),
    60: ("Hi Bongo", HIGH),
    61: ("Low Bongo", MID),
    62: ("Mute Hi Conga", HIGH),
    63: ("Open Hi Conga", MID),
    64: ("Low Conga", LOW),
    65: ("High Timbale", HIGH),
    66: ("Low Timbale", MID),
    67: ("High Agogo", RIDE),
    68: ("Low Agogo", RIDE),
    69: ("Cabasa", CLOSED),
    70: ("Maracas", CLOSED),
    71: ("Short Whistle", NO_CLASS),
    72: ("Long Whistle", NO_CLASS),
    73: ("Short Guiro", CLOSED),
    74: ("Long Guiro", OPEN),
    75: ("Claves", SNARE),
    76: ("Hi Wood Block", SNARE),
    77: ("Low Wood Block", SNARE),
    78: ("Mute Cuica", HIGH),
    79: ("Open Cuica", MID),
    80: ("Mute Triangle", CLOSED),
    81: ("Open Triangle", OPEN),
    82: ("Shaker (GS)", CLOSED),
    83: ("Jingle Bell (GS)", CLOSED),
    84: ("Bell Tree (GS)", CRASH),
    85: ("Castanets (GS)", SNARE),
    86: ("Mute Surdo (GS)", LOW),
    87: ("Open Surdo (GS)", LOW),
}
"""Every pitch that is known: its instrument and its class."""

_CLASS_OF = np.full(128, NO_CLASS, np.int64)
for _pitch, (_, _class) in INSTRUMENTS.items():
    _CLASS_OF[_pitch] = _class
_PITCH_OF = np.array([*(pitch for _, pitch in CLASSES), NO_CLASS], np.int64)  # -1 is the last


def fold(pitch: ArrayLike) -> Ints:
    """The class of each drum pitch, -1 where it has none. Shape as given; pitches 0..127."""
    return np.asarray(_CLASS_OF[np.asarray(pitch, np.int64)])


def unfold(index: ArrayLike) -> Ints:
    """The General MIDI pitch that stands for each class, -1 for -1. Shape as given.

    `unfold(fold(pitch))` is `pitch` for the nine canonical pitches.
    """
    return np.asarray(_PITCH_OF[np.asarray(index, np.int64)])


def canonical(pitch: ArrayLike) -> Ints:
    """`unfold(fold(pitch))`: each drum pitch as the one that stands for its class, -1 for none."""
    return unfold(fold(pitch))


def table() -> str:
    """All pitches that are known, with their class, as a Markdown table."""
    rows = ["| pitch | instrument | class | comes back as |", "|---|---|---|---|"]
    for pitch, (instrument, index) in sorted(INSTRUMENTS.items()):
        name, stands = CLASSES[index] if index != NO_CLASS else ("none", pitch)
        rows.append(f"| {pitch} | {instrument} | {name} | {stands} |")
    return "\n".join(rows) + "\n"
