"""Drum kits: General MIDI percussion pitches <-> nine drum classes.

The classes and their pitches are those of the reduction published with the Groove MIDI Dataset
(Gillick et al. 2019, "Learning to Groove with Inverse Sequence Transformations"), extended to all
of General MIDI level 1, to the additions of GS and XG below it, and to the hi-hat edges of Roland
kits. Hand percussion is classified by how it is struck:

- skins are toms by height (a high bongo is a high tom, a low conga a low one);
- what is shaken, scraped or muted is the closed hi-hat, its long or open variant the open one;
- dry strokes of hand, stick or wood are the snare, like its side stick;
- bells that keep time are the ride; washes of metal are the crash;
- whistles, and pitches outside the table, have no class and pass through models unchanged.

`docs/drums.md` lists the whole table, as printed by `markdown_table`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from musicvae.arrays import Ints

DRUM_CLASSES: tuple[tuple[str, int], ...] = (
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
"""Name and canonical General MIDI pitch of each class, by its index."""

KICK, SNARE, CLOSED_HAT, OPEN_HAT, LOW_TOM, MID_TOM, HIGH_TOM, CRASH, RIDE = range(9)
NO_CLASS = -1

GM_PERCUSSION: dict[int, tuple[str, int]] = {
    22: ("Closed Hi-Hat, edge (Roland)", CLOSED_HAT),
    25: ("Snare Roll (GS)", SNARE),
    26: ("Open Hi-Hat, edge (Roland)", OPEN_HAT),
    27: ("High Q (GS)", SNARE),
    28: ("Slap (GS)", SNARE),
    29: ("Scratch Push (GS)", CLOSED_HAT),
    30: ("Scratch Pull (GS)", OPEN_HAT),
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
    41: ("Low Floor Tom", LOW_TOM),
    42: ("Closed Hi-Hat", CLOSED_HAT),
    43: ("High Floor Tom", LOW_TOM),
    44: ("Pedal Hi-Hat", CLOSED_HAT),
    45: ("Low Tom", MID_TOM),
    46: ("Open Hi-Hat", OPEN_HAT),
    47: ("Low-Mid Tom", MID_TOM),
    48: ("Hi-Mid Tom", HIGH_TOM),
    49: ("Crash Cymbal 1", CRASH),
    50: ("High Tom", HIGH_TOM),
    51: ("Ride Cymbal 1", RIDE),
    52: ("Chinese Cymbal", CRASH),
    53: ("Ride Bell", RIDE),
    54: ("Tambourine", CLOSED_HAT),
    55: ("Splash Cymbal", CRASH),
    56: ("Cowbell", RIDE),
    57: ("Crash Cymbal 2", CRASH),
    58: ("Vibraslap; floor tom rim (Roland)", LOW_TOM),
    59: ("Ride Cymbal 2", RIDE),
    60: ("Hi Bongo", HIGH_TOM),
    61: ("Low Bongo", MID_TOM),
    62: ("Mute Hi Conga", HIGH_TOM),
    63: ("Open Hi Conga", MID_TOM),
    64: ("Low Conga", LOW_TOM),
    65: ("High Timbale", HIGH_TOM),
    66: ("Low Timbale", MID_TOM),
    67: ("High Agogo", RIDE),
    68: ("Low Agogo", RIDE),
    69: ("Cabasa", CLOSED_HAT),
    70: ("Maracas", CLOSED_HAT),
    71: ("Short Whistle", NO_CLASS),
    72: ("Long Whistle", NO_CLASS),
    73: ("Short Guiro", CLOSED_HAT),
    74: ("Long Guiro", OPEN_HAT),
    75: ("Claves", SNARE),
    76: ("Hi Wood Block", SNARE),
    77: ("Low Wood Block", SNARE),
    78: ("Mute Cuica", HIGH_TOM),
    79: ("Open Cuica", MID_TOM),
    80: ("Mute Triangle", CLOSED_HAT),
    81: ("Open Triangle", OPEN_HAT),
    82: ("Shaker (GS)", CLOSED_HAT),
    83: ("Jingle Bell (GS)", CLOSED_HAT),
    84: ("Bell Tree (GS)", CRASH),
    85: ("Castanets (GS)", SNARE),
    86: ("Mute Surdo (GS)", LOW_TOM),
    87: ("Open Surdo (GS)", LOW_TOM),
}
"""Instrument and class of each known pitch."""

KIT_PITCHES = tuple(pitch for pitch in range(35, 60) if pitch not in (54, 56, 58))
"""The drum kit of General MIDI level 1, without hand percussion and effects."""
ROLAND_KIT_PITCHES = (22, 26, 58)
"""Hi-hat edges and floor tom rim of Roland's electronic kits."""

_PITCH_TO_CLASS = np.full(128, NO_CLASS, np.int64)
for _pitch, (_, _class) in GM_PERCUSSION.items():
    _PITCH_TO_CLASS[_pitch] = _class
# The last entry is that of index -1.
_CLASS_TO_PITCH = np.array([*(pitch for _, pitch in DRUM_CLASSES), NO_CLASS], np.int64)


def pitch_to_class(pitch: ArrayLike) -> Ints:
    """Return the class of each pitch 0..127, -1 if it has none. Keeps the shape."""
    return np.asarray(_PITCH_TO_CLASS[np.asarray(pitch, np.int64)])


def class_to_pitch(index: ArrayLike) -> Ints:
    """Return the General MIDI pitch of each class, -1 for -1. Keeps the shape.

    It inverts `pitch_to_class` for the nine canonical pitches.
    """
    return np.asarray(_CLASS_TO_PITCH[np.asarray(index, np.int64)])


def canonical_pitch(pitch: ArrayLike) -> Ints:
    """Return the canonical pitch of each drum pitch's class, -1 if it has none."""
    return class_to_pitch(pitch_to_class(pitch))


def markdown_table() -> str:
    """Return a Markdown table of all known pitches and their classes."""
    rows = ["| pitch | instrument | class | decoded as |", "|---|---|---|---|"]
    for pitch, (instrument, index) in sorted(GM_PERCUSSION.items()):
        name, decoded = DRUM_CLASSES[index] if index != NO_CLASS else ("none", pitch)
        rows.append(f"| {pitch} | {instrument} | {name} | {decoded} |")
    return "\n".join(rows) + "\n"
