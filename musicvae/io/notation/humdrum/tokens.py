"""Data tokens of `**kern`: durations, pitches, ties, and chords of them; dynamics of `**dynam`."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from musicvae.io.notation.score import MAX_NUMERATOR

_RECIP = re.compile(r"(\d{1,4})(?:%(\d{1,3}))?(?!\d|%)")
_MAX_DOTS = 6
_PITCH = re.compile(r"([a-gA-G])\1*")
_SEMITONES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_MIDDLE_C = 60
_MAX_QUARTERS = 4 * MAX_NUMERATOR
_MAX_CHORD_NOTES = 128
_DYNAMIC = re.compile(r"[a-z]+")


class KernNote(NamedTuple):
    """A note of a token: duration in quarters, MIDI pitch, and tie as in `ScoreNote`.

    `pitch` is None for a note without pitch, as of percussion.
    """

    duration: Fraction
    pitch: int | None
    tie: str


class KernEvent(NamedTuple):
    """What a token stands for.

    `advance` is the time in quarters to the next token of its spine, 0 for grace notes, None if no
    duration can be read. `longest` is that of the longest note or rest.
    """

    notes: tuple[KernNote, ...]
    advance: Fraction | None
    longest: Fraction
    n_grace_notes: int
    n_unreadable: int


@lru_cache(maxsize=1 << 16)
def parse_event(token: str) -> KernEvent:
    """Return the notes of a token of a `**kern` spine, which are separated by spaces.

    A note of a chord without a duration has that of the note before it. A duration alone counts as
    unreadable, but takes its time.
    """
    notes: list[KernNote] = []
    durations: list[Fraction] = []
    n_grace = n_unreadable = 0
    texts = token.split(" ")
    for text in texts[:_MAX_CHORD_NOTES]:
        if not text or text == ".":
            continue
        is_rest = "r" in text
        pitch = None if is_rest else _midi_pitch(text)
        is_note = pitch is not None or ("R" in text and not is_rest)
        if "q" in text or "Q" in text:
            n_grace += is_note
            continue
        duration = parse_recip(text)
        if duration is None and durations:
            duration = durations[-1]
        n_unreadable += duration is None or not (is_note or is_rest)
        if duration is None:
            continue
        durations.append(duration)
        if is_note:
            notes.append(KernNote(duration, pitch, _tie_type(text)))
    n_unreadable += len(texts[_MAX_CHORD_NOTES:])
    if durations:
        return KernEvent(tuple(notes), min(durations), max(durations), n_grace, n_unreadable)
    return KernEvent((), Fraction(0) if n_grace else None, Fraction(0), n_grace, n_unreadable)


def parse_recip(text: str) -> Fraction | None:
    """Return the duration in quarters that a text contains, None if there is none.

    ``8.`` is a dotted eighth, ``0`` a breve, ``00`` a long, ``3%2`` two thirds of a whole note.
    Dots may follow the pitch (``1G.``).
    """
    found = _RECIP.search(text)
    if not found or (found.start() and text[found.start() - 1].isdigit()):
        return None
    digits, denominator = found.groups()
    n_dots = text.count(".")
    if n_dots > _MAX_DOTS:
        return None
    if digits.strip("0"):
        quarters = Fraction(4 * int(denominator or 1), int(digits))
    else:
        quarters = Fraction(4 << len(digits)) * int(denominator or 1)
    quarters *= 2 - Fraction(1, 1 << n_dots)
    return quarters if 0 < quarters <= _MAX_QUARTERS else None


def _midi_pitch(text: str) -> int | None:
    """Return the MIDI pitch of a note, None if it has none.

    Accidentals count wherever they are (``4BBn-``, ``8c>#``), since these signs mean nothing else.
    """
    found = _PITCH.search(text)
    if not found:
        return None
    name, letter = found[0], found[1]
    octave = len(name) - 1 if letter.islower() else -len(name)
    alteration = text.count("#") - text.count("-")
    pitch = _MIDDLE_C + 12 * octave + _SEMITONES[letter.lower()] + alteration
    return pitch if abs(alteration) <= 3 and 0 <= pitch <= 127 else None


def _tie_type(text: str) -> str:
    """Return the tie of a note, empty if it has none."""
    if "_" in text:
        return "continue"
    if "[" in text:
        return "continue" if "]" in text else "start"
    return "stop" if "]" in text else ""


@lru_cache(maxsize=1024)
def parse_dynamics(token: str) -> tuple[str, ...]:
    """Return the names in a token of a `**dynam` spine, such as ``f`` and ``p`` of ``f>p``.

    A final `x` or `y` is a comment on the sign (editorial, invisible).
    """
    names = (name.rstrip("xy") for name in _DYNAMIC.findall(token.lower()[:64]))
    return tuple(name for name in names if name)
