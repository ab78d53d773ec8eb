"""Floor 3: unpitched notes of MusicXML -> keys of General MIDI's percussion."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

SNARE = 38
CHANNEL = "10"  # as MusicXML counts
# Where a drum kit's notes stand on a staff of five lines, if the score has no MIDI keys for them:
# the places of Weinberg's Guidelines for Drumset Notation, as they fall into classes of General
# MIDI.
_KIT = {
    "D4": 44,
    "E4": 35,
    "F4": 36,
    "G4": 41,
    "A4": 43,
    "B4": 45,
    "C5": 38,
    "D5": 47,
    "E5": 48,
    "F5": 51,
    "G5": 42,
    "A5": 49,
    "B5": 57,
}


def keys_of(entry: Element) -> dict[str, int]:
    """MIDI key of each instrument of a part that has one: they are counted from 1 in MusicXML."""
    keys = {}
    for instrument in entry.iterfind("midi-instrument"):
        if (key := integer(instrument.findtext("midi-unpitched"))) and 1 <= key <= 128:
            keys[instrument.get("id", "")] = key - 1
    return keys


def key_of(note: Element, keys: Mapping[str, int]) -> int | None:
    """The key of an unpitched note, by its instrument, else by its place on the staff."""
    instrument = note.find("instrument")
    name = instrument.get("id", "") if instrument is not None else ""
    if name in keys:
        return keys[name]
    if len(keys) == 1:
        return next(iter(keys.values()))
    step = note.findtext("unpitched/display-step") or ""
    return _KIT.get(step + (note.findtext("unpitched/display-octave") or ""))


def integer(text: str | None) -> int | None:
    """The number that a text is, None if it is none."""
    try:
        return int(text or "")
    except ValueError:
        return None
