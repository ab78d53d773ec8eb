"""Meta events of MIDI files, and their types."""

from __future__ import annotations

from dataclasses import dataclass

TEXT, COPYRIGHT, TRACK_NAME, INSTRUMENT_NAME, LYRIC, MARKER, CUE_POINT = range(1, 8)
PORT, END = 0x21, 0x2F
TEMPO, METER, KEY = 0x51, 0x58, 0x59
SEQUENCER_SPECIFIC = 0x7F
SYSEX = -1
"""The type that system exclusive messages are stored under."""


@dataclass(frozen=True, kw_only=True)
class MetaEvent:
    """A meta event of `type`, or a system exclusive message (`SYSEX`).

    Its track, its tick in the track, its data.
    """

    track: int
    tick: int
    type: int
    data: bytes
