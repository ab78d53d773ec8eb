"""Chords among the texts of a MIDI file, which has no event of its own for them.

Programs write them as markers, texts, cue points or lyrics (`Am7`, or `A:min7` in Harte syntax), or
as XF chord events of Yamaha, which are sequencer-specific. Other texts look like chords now and
then, `A` and `B` as names of sections: so texts of a track and kind are chords together or not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from musicvae.chords import NO_CHORD, Chord, parse_harte, parse_symbol
from musicvae.chords.spelling import format_name, parse_name
from musicvae.io.midi.left_out import is_own_text
from musicvae.io.midi.meta import (
    CUE_POINT,
    LYRIC,
    MARKER,
    SEQUENCER_SPECIFIC,
    TEXT,
    MetaEvent,
)
from musicvae.io.midi.text import decode_text
from musicvae.io.stated_chords import StatedChord, parse_stated

XF_CHORD = b"\x43\x7b\x01"
"""What the data of an XF chord event begins with."""
_KINDS = (SEQUENCER_SPECIFIC, MARKER, TEXT, CUE_POINT, LYRIC)  # of as many chords the first counts
_MIN_SHARE = 0.9  # of the texts of a track and kind
_MIN_COUNT = 3
_HARTE = re.compile(r"N|[A-G][#b]*:.+")
_SECTION = re.compile(r"[A-G][1-5]?'*")  # may be a name of a section as well
_XF_LETTERS = " CDEFGAB"
_XF_ACCIDENTALS = ("bbb", "bb", "b", "", "#", "##", "###")
_XF_SYMBOLS = (
    *("", "6", "maj7", "maj7#11", "add9", "maj9", "6/9", "aug", "m", "m6", "m7", "m7b5", "m(add9)"),
    *("m9", "m7(11)", "m(maj7)", "m(maj9)", "dim", "dim7", "7", "7sus4", "7b5", "9", "7#11"),
    *("7(13)", "7b9", "7b13", "7#9", "maj7#5", "7#5", "no3no5", "5", "sus4", "sus2"),
)
"""Symbols of the chord types of XF, from 0 on."""
_XF_NO_CHORD = len(_XF_SYMBOLS)
_XF_NO_BASS = 0x7F


def may_be_chord(meta_type: int, data: bytes) -> bool:
    """Return whether a meta event is of a kind that has chords."""
    if meta_type == SEQUENCER_SPECIFIC:
        return data.startswith(XF_CHORD)
    return meta_type in _KINDS and bool(data.strip(b"\0 ")) and not is_own_text(meta_type, data)


def find_chords(events: Iterable[MetaEvent]) -> tuple[int, list[tuple[int, StatedChord]]]:
    """Return the kind of the chords and (tick, chord), in order of time; no chords, and type 0.

    The texts of one kind count, those that have most chords. `events` are of `may_be_chord`.
    """
    groups: dict[tuple[int, int], list[MetaEvent]] = {}
    for event in events:
        groups.setdefault((event.type, event.track), []).append(event)
    found: dict[int, dict[int, StatedChord]] = {}
    for (kind, _), group in sorted(groups.items()):
        if _are_chords(kind, group):
            for event in group:
                if chord := _parse(kind, event.data):
                    found.setdefault(kind, {})[max(event.tick, 0)] = chord
    if not found:
        return 0, []
    kind = max(_KINDS, key=lambda kind: len(found.get(kind, ())))
    return kind, sorted(found[kind].items(), key=lambda entry: entry[0])


def _are_chords(kind: int, group: list[MetaEvent]) -> bool:
    """Return whether the texts of a track and kind are chords together."""
    counts = Counter(event.data for event in group)
    n_chords = sum(n for data, n in counts.items() if _parse(kind, data))
    if kind == SEQUENCER_SPECIFIC:
        return n_chords > 0
    if n_chords < _MIN_SHARE * len(group):
        return False
    texts = [_decode(data) for data in counts]
    if any(_HARTE.fullmatch(text) and parse_harte(text) for text in texts):
        return True
    is_certain = any(parse_symbol(t) and not _SECTION.fullmatch(t) for t in texts)
    return is_certain and n_chords >= _MIN_COUNT


def _parse(kind: int, data: bytes) -> StatedChord | None:
    """Return the chord of an event, or None."""
    return _parse_xf(data) if kind == SEQUENCER_SPECIFIC else parse_stated(_decode(data))


def _decode(data: bytes) -> str:
    """Return a text that may be a chord symbol."""
    return decode_text(data).strip("\0 \t\r\n")


def _parse_xf(data: bytes) -> StatedChord | None:
    """Return the chord of an XF event: root, type, and the bass with a type of its own."""
    if len(data) < len(XF_CHORD) + 2:
        return None
    root, chord_type, bass = data[3], data[4], data[5] if len(data) > 5 else _XF_NO_BASS
    if chord_type == _XF_NO_CHORD:
        return StatedChord(NO_CHORD)
    name = _xf_name(root)
    if name is None or chord_type > _XF_NO_CHORD:
        return None
    written = format_name(name) + _XF_SYMBOLS[chord_type]
    parsed = parse_symbol(written)
    if parsed is None:
        return None
    bass_name = None if bass == _XF_NO_BASS else _xf_name(bass)
    chord, is_exact = parsed
    if bass_name is not None:
        chord = Chord(chord.root, chord.quality, bass_name)
    return StatedChord.of((chord, is_exact), written)


def _xf_name(byte: int) -> int | None:
    """Return the pitch class of a byte, as fifths above C: an accidental and a letter."""
    accidental, letter = byte >> 4, byte & 15
    if accidental >= len(_XF_ACCIDENTALS) or not 0 < letter < len(_XF_LETTERS):
        return None
    return parse_name(_XF_LETTERS[letter] + _XF_ACCIDENTALS[accidental])
