"""Reading of lines of music: their tokens, to notes and signs of the current voice."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from musicvae.io.limits import MAX_CHANGES
from musicvae.io.notation.abc import fields, tokens
from musicvae.io.notation.abc.measures import Counts, WrittenNote
from musicvae.io.notation.abc.voice import Voice
from musicvae.io.notation.score import check_count
from musicvae.io.stated_chords import parse_stated

_USER_SYMBOL = re.compile(r"([H-Wh-w~])\s*=\s*(.+)")
_MACRO = re.compile(r"([^=]{1,32}?)\s*=\s*(.*)")
_MAX_MACRO_LINE = 1 << 16  # characters of a line after its macros
_MAX_TUPLET = 99
_MAX_CHORD = 1000  # characters of a chord, or of grace notes
_DEFAULT_SYMBOLS = {"O": "coda", "S": "segno"}
_DECORATION_SYMBOLS = frozenset(".~HLMOPSTuvJR")
_KINDS = (
    "note", "bar", "broken", "rest", "overlay", "tuplet", "quoted", "grace", "field", "ending",
    "chord", "tie", "decoration", "phrase", "plus", "symbol", "measures", "unknown",
)  # fmt: skip
"""Kinds of tokens that mean something."""


class MusicReader:
    """Reads lines of music into the voice that `current_voice` returns.

    `read_field` reads a field within a line, which may change the voice.
    """

    def __init__(
        self,
        counts: Counts,
        current_voice: Callable[[], Voice],
        read_field: Callable[[str, str], None],
    ) -> None:
        self.counts = counts
        self._current_voice, self._read_information = current_voice, read_field
        self._previous = ""  # kind of the last token that is not space
        self._symbols = dict(_DEFAULT_SYMBOLS)
        self._macros: list[tuple[str, str]] = []
        self._handlers: dict[str, Callable[[re.Match[str]], None]] = {
            kind: getattr(self, f"_read_{kind}") for kind in _KINDS
        }

    @property
    def voice(self) -> Voice:
        """The voice that the next note belongs to."""
        return self._current_voice()

    def read(self, line: str) -> None:
        """Read a line of music."""
        self._read_tokens(self._expand_macros(line))

    def _read_tokens(self, line: str) -> None:
        """Read music, its macros written out."""
        for match in tokens.MUSIC.finditer(line):
            kind = match.lastgroup or ""
            if handler := self._handlers.get(kind):
                handler(match)
            if kind not in ("space", "ignored"):
                self._previous = kind

    def add_symbol(self, text: str) -> None:
        """Add the symbol of a U: field, which stands for a decoration."""
        if symbol := _USER_SYMBOL.match(text):
            self._symbols[symbol[1]] = symbol[2].strip().strip('!+"').strip()

    def add_macro(self, text: str) -> None:
        """Add the macro of an m: field; those that transpose (``~n = ...``) are not played."""
        target, replacement = match.groups() if (match := _MACRO.match(text)) else ("", "")
        if re.search(r"n\d*$", target):
            self.counts.dropped["transposing macros not played"] += 1
        elif target and len(self._macros) < 100:
            self._macros.append((target, replacement.strip()))

    def _expand_macros(self, line: str) -> str:
        """Return a line with its macros written out, unless it becomes too long."""
        for target, replacement in self._macros:
            n_uses = line.count(target)
            if n_uses * len(replacement) + len(line) > _MAX_MACRO_LINE:
                self.counts.dropped["macros not written out, too long"] += n_uses
            elif n_uses:
                line = line.replace(target, replacement)
        return line

    def _written_note(self, groups: tuple[str | None, ...]) -> WrittenNote:
        """Return a note from the groups of its token."""
        sign, micro, letter, octave, up, slashes, down, tie = groups
        accidental = None
        if sign:
            accidental = fields.parse_accidental(sign)
            if micro:
                accidental = self._round_microtone(accidental, micro)
        step = fields.STEPS[letter.upper()]  # type: ignore[union-attr]
        height = (letter.islower() if letter else 0) + 0
        if octave:
            height += octave.count("'") - octave.count(",")
        length = (1, 1) if not up and not slashes else tokens.parse_length(up, slashes, down or "")  # type: ignore[arg-type]
        note = WrittenNote(step, height, accidental, length, tie is not None)
        voice = self.voice
        if voice.settings.drum_map:
            note.drum_pitch = voice.settings.drum_map.get(f"{sign or ''}{letter}{octave}")
        return note

    def _round_microtone(self, accidental: int, micro: str) -> int:
        """Return the semitones of an accidental such as ``^/`` or ``^3/2``, halves away from 0."""
        up, _, down = micro.partition("/")
        size = Fraction(int(up[:3] or 1), int(down[:3] or 2) or 1 if "/" in micro else 1)
        if size.denominator > 1:
            self.counts.dropped["microtones rounded to semitones"] += 1
        return accidental * min(int(size + Fraction(1, 2)), 12)

    def _read_note(self, match: re.Match[str]) -> None:
        self.voice.add_notes([self._written_note(match.groups()[1:9])])

    def _read_chord(self, match: re.Match[str]) -> None:
        start = match.re.groupindex["chord"]
        inner, up, slashes, down = match.group(start + 1, start + 2, start + 3, start + 4)
        if len(inner) > _MAX_CHORD:
            self.counts.dropped["chords too long, left out"] += 1
            return
        plain = re.sub(r'"[^"]*"|![^!]*!', "", inner)
        notes = [self._written_note(note.groups()) for note in tokens.NOTE.finditer(plain)]
        length = tokens.parse_length(up, slashes, down)
        if notes:
            self.voice.add_notes(notes, length)
        elif "z" in plain or "x" in plain:
            self.voice.add_rest(length)

    def _read_rest(self, match: re.Match[str]) -> None:
        start = match.re.groupindex["rest"]
        self.voice.add_rest(tokens.parse_length(*match.group(start + 2, start + 3, start + 4)))

    def _read_measures(self, match: re.Match[str]) -> None:
        start = match.re.groupindex["measures"]
        self.voice.add_whole_rests(int(match[start + 2][:9] or 1))

    def _read_bar(self, match: re.Match[str]) -> None:
        if bar_line := tokens.parse_bar_line(match[0]):
            self.voice.add_bar_line(*bar_line)

    def _read_ending(self, match: re.Match[str]) -> None:
        if "[" in match[0] or self._previous == "bar":
            if passes := tokens.parse_passes(match[0]):
                self.voice.start_ending(passes)
        else:
            self._read_unknown(match)

    def _read_tie(self, match: re.Match[str]) -> None:
        if self._previous != "grace":
            self.voice.tie_last()

    def _read_broken(self, match: re.Match[str]) -> None:
        self.voice.break_rhythm(match[0])

    def _read_overlay(self, match: re.Match[str]) -> None:
        self.voice.start_overlay(match[0])

    def _read_tuplet(self, match: re.Match[str]) -> None:
        start = match.re.groupindex["tuplet"]
        texts = match.group(start + 1, start + 2, start + 3)
        notes, in_time_of, count = (int((text or "0")[:3]) for text in texts)
        if not 1 < notes <= _MAX_TUPLET or in_time_of > _MAX_TUPLET:
            self.counts.dropped["tuplets that are none, read as written"] += 1
            return
        meter = self.voice.settings.meter
        is_compound = meter is not None and meter[0] % 3 == 0 and meter[0] > 3 and meter[1] >= 4
        default = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}.get(notes, 3 if is_compound else 2)
        self.voice.rhythm.start_tuplet(
            notes, in_time_of or default, count or notes, is_counted=count > 0
        )

    def _read_grace(self, match: re.Match[str]) -> None:
        start = match.re.groupindex["grace"]
        for note in tokens.NOTE.finditer(match[start + 1], 0, _MAX_CHORD):
            written = self._written_note(note.groups())
            self.voice.apply_accidental(written.step, written.octave, written.accidental)
            self.counts.grace_notes += 1

    def _read_quoted(self, match: re.Match[str]) -> None:
        """Read an annotation or a chord symbol; of alternatives, the first."""
        if len(match[0]) == 1 or match[0][-1] != '"':
            self.counts.dropped["texts without an end, left out"] += 1
            return
        text = match[0][1:-1].lstrip("^_<>@ ").strip("()[] ")
        if tokens.is_jump_text(text):
            self._add_sign(text)
        elif tokens.begins_like_jump(text):
            self.counts.dropped["jumps in words that are not understood, not played"] += 1
        elif not tokens.ANNOTATION.match(match[0], 1) and (
            symbol := tokens.chord_symbol(match[0][1:-1])
        ):
            check_count(len(self.voice.chords) + 1, MAX_CHANGES, "chords")
            if chord := parse_stated(symbol):
                self.voice.add_chord(chord)
            else:
                self.counts.dropped["texts that are no chord symbols, left out"] += 1

    def _read_decoration(self, match: re.Match[str]) -> None:
        name = match[0][1:-1]
        if tokens.is_notes(name):  # between two line breaks of old
            self._read_tokens(name)
        else:
            self._decorate(name)

    def _read_phrase(self, match: re.Match[str]) -> None:
        self._add_sign(match[0][1:-1])

    def _read_plus(self, match: re.Match[str]) -> None:
        """Read a decoration between plus signs, or a chord of old."""
        text = match[0][1:-1]
        if tokens.is_dynamic(text) or not re.fullmatch(r"(?:[\^_=]*[A-Ga-g][,']*\d*/*\d*)+", text):
            self._decorate(text)
        else:
            self.voice.add_notes(
                [self._written_note(note.groups()) for note in tokens.NOTE.finditer(text)]
            )

    def _read_symbol(self, match: re.Match[str]) -> None:
        if name := self._symbols.get(match[0]):
            self._decorate(name)
        elif match[0] not in _DECORATION_SYMBOLS and match[0] not in self._symbols:
            self._read_unknown(match)

    def _decorate(self, name: str) -> None:
        """Read a decoration: dynamics and jumps are played."""
        if tokens.is_dynamic(name):
            self.voice.dynamics.append((self.voice.position, name))
        else:
            self._add_sign(name)

    def _add_sign(self, text: str) -> None:
        if sign := tokens.parse_sign(text):
            self.voice.signs.add_mark(sign)

    def _read_field(self, match: re.Match[str]) -> None:
        start = match.re.groupindex["field"]
        self._read_information(match[start + 1], match[start + 2].strip())

    def _read_unknown(self, match: re.Match[str]) -> None:
        self.counts.dropped["characters that are no music, left out"] += len(match[0])
