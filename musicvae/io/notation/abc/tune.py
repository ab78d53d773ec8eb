"""Reading of one tune: its fields, directives and lines of music, to voices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction

from musicvae.io.limits import MAX_CHANGES, MAX_SCORE_PARTS
from musicvae.io.notation.abc import fields, tokens
from musicvae.io.notation.abc.directives import Directives
from musicvae.io.notation.abc.measures import Counts, VoiceSettings, WrittenNote
from musicvae.io.notation.abc.voice import Voice
from musicvae.io.notation.score import (
    MAX_QPM,
    MIN_QPM,
    TimeSignature,
    UnsupportedScoreError,
)
from musicvae.io.stated_chords import parse_stated

_FIELD = re.compile(r"([A-Zmrswd+]):(?![|:])\s*(.*)", re.DOTALL)
_SKIPPED_FIELDS = frozenset("ABCDFGHNORSTWXZrsw+")
_USER_SYMBOL = re.compile(r"([H-Wh-w~])\s*=\s*(.+)")
_MACRO = re.compile(r"([^=]{1,32}?)\s*=\s*(.*)")
_MAX_MACRO_LINE = 1 << 16  # characters of a line after its macros
_MAX_TUPLET = 99
_MAX_CHORD = 1000  # characters of a chord, or of grace notes
_DEFAULT_SYMBOLS = {"O": "coda", "S": "segno"}
_DECORATION_SYMBOLS = frozenset(".~HLMOPSTuvJR")


class TuneReader:
    """The voices of a tune, and what its header says of all of them."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.voices: dict[str, Voice] = {}
        self.settings = VoiceSettings()
        self.declared: dict[str, VoiceSettings] = {}
        self.directives = Directives(self.counts.dropped)
        self.part_order: tuple[str, ...] = ()
        self.tempo: tuple[float, bool] | None = None
        self.tempo_text = ""
        self._current = ""
        self._in_body = self._is_voice_chosen = False
        self._unit_is_given = False
        self._previous = ""  # kind of the last token that is not space
        self._staves_start = 0
        self._shared_fields: list[tuple[str, str]] = []  # of the body, before its first voice
        self._symbols = dict(_DEFAULT_SYMBOLS)
        self._macros: list[tuple[str, str]] = []
        self._handlers: dict[str, Callable[[re.Match[str]], None]] = (
            {
                name: getattr(self, f"_read_{name}")
                for name in (
                    "note",
                    "bar",
                    "broken",
                    "rest",
                    "overlay",
                    "tuplet",
                    "quoted",
                    "grace",
                )
            }
            | {
                name: getattr(self, f"_read_{name}")
                for name in ("field", "ending", "chord", "tie", "decoration", "phrase", "plus")
            }
            | {name: getattr(self, f"_read_{name}") for name in ("symbol", "measures")}
        )
        self._handlers["unknown"] = self._read_unknown

    def read(self, lines: Iterable[str]) -> None:
        """Read the lines of a tune, without comments."""
        lines = list(lines)
        self._has_key = any(line.startswith("K:") for line in lines)
        for line in lines:
            if line.startswith("%%"):
                self._read_information("I", line[2:])
            elif match := _FIELD.match(line):
                self._read_information(match[1], match[2].strip())
            elif self._in_body:
                self._read_music(line)
            elif not self._has_key and line.strip():
                self._start_body()
                self._read_music(line)
        if not self._in_body:
            self._start_body()
        for voice in self.voices.values():
            voice.finish()

    # -- fields -----------------------------------------------------------------------------------

    def _read_information(self, name: str, text: str) -> None:
        """Read an information field, on its own line or in music."""
        if name in _SKIPPED_FIELDS:
            return
        if name == "V":
            self._read_voice(text)
        elif name in "IP":
            self._read_setting(name, text)
        elif name == "U" and (symbol := _USER_SYMBOL.match(text)):
            self._symbols[symbol[1]] = symbol[2].strip().strip('!+"').strip()
        elif name == "m" and (macro := _MACRO.match(text)):
            self._add_macro(macro[1], macro[2])
        elif name == "K" and not self._in_body:
            key, rest, is_sure = fields.parse_key(text)
            self.settings.key = key or self.settings.key
            self.settings.properties = fields.parse_properties(rest)
            self._count_unsure(name, text, is_sure)
            self._start_body()
        elif name in "KMLQ":
            self._read_setting(name, text)

    def _read_setting(self, name: str, text: str) -> None:
        """Read a field or directive of the header or of the voices chosen."""
        if self._in_body:
            self._read_voice_setting(name, text, self._targets())
            if not self._is_voice_chosen and self._is_at_start:
                self._shared_fields.append((name, text))
        elif name == "I":
            self._read_directive(text, [self.declared.get(self._current, self.settings)])
        elif name == "P":
            self._read_part_order(text)
        elif name == "M":
            if meter := self._parse_meter(text):
                self.settings.meter = meter
        elif name == "L":
            if unit := self._parse_unit(text):
                self._unit_is_given, self.settings.unit = True, unit
        else:
            self.tempo_text = text

    def _read_voice_setting(self, name: str, text: str, voices: list[Voice]) -> None:
        """Read a field or directive of the body for some voices."""
        if name == "I":
            self._read_directive(text, [voice.settings for voice in voices])
        elif name == "P":
            for voice in voices:
                voice.start_section(_section_label(text))
        elif name == "K":
            key, rest, is_sure = fields.parse_key(text)
            self._count_unsure(name, text, is_sure)
            for voice in voices:
                if key:
                    voice.set_key(key)
                voice.set_properties(fields.parse_properties(rest))
        elif name == "M":
            meter = self._parse_meter(text)
            for voice in voices if meter else ():
                voice.set_meter(meter)  # type: ignore[arg-type]
        elif name == "L":
            unit = self._parse_unit(text)
            for voice in voices if unit else ():
                voice.settings.unit = unit  # type: ignore[assignment]
        else:
            self._add_tempo(voices[0], text)

    def _parse_meter(self, text: str) -> TimeSignature | None:
        """Return the meter of an M: field; None, and counted, if it is not understood."""
        meter = fields.parse_meter(text)
        self._count_unsure("M", text, is_sure=meter is not None)
        return meter

    def _parse_unit(self, text: str) -> Fraction | None:
        """Return the unit note length of an L: field; None, and counted, if it is no length."""
        unit = fields.parse_unit(text)
        self._count_unsure("L", text, is_sure=unit is not None or text == "auto")
        return unit

    def _add_tempo(self, voice: Voice, text: str) -> None:
        """Add the tempo of a Q: field at the cursor of a voice."""
        tempo = fields.parse_tempo(text, voice.settings.unit)
        if tempo and MIN_QPM <= tempo[0] <= MAX_QPM:
            voice.add_tempo(tempo[0], from_words=tempo[1])
        elif tempo or not re.fullmatch(r'\s*(?:"[^"]*"\s*)*', text):
            self._count_unsure("Q", text, is_sure=False)

    def _count_unsure(self, name: str, text: str, is_sure: bool) -> None:
        """Count a field that is not understood."""
        if not is_sure:
            shown = "".join(c if c.isprintable() else "?" for c in text[:24])
            kinds = self.counts.dropped
            kind = f"field not understood ({name}:{shown})"
            if len(kinds) < 20 or kind in kinds:
                kinds[kind] += 1
            else:
                kinds["other fields not understood"] += 1

    def _read_part_order(self, text: str) -> None:
        """Read a P: field of the header: the order of sections."""
        order = fields.parse_part_order(text)
        if order and len(order) > 1:
            self.part_order = order
        elif order is None and re.fullmatch(r"[A-Z0-9().*\s]*[0-9()][A-Z0-9().*\s]*", text):
            self._count_unsure("P", text, is_sure=False)

    def _read_directive(self, text: str, targets: list[VoiceSettings]) -> None:
        """Read a directive: `%%name value`, or the same in an I: field."""
        self.directives.read(text, targets)
        if self._in_body and text.split(maxsplit=1)[:1] in (["score"], ["staves"]):
            # New staves begin at one time in all voices: those that had none have rests.
            self._staves_start = max(voice.index for voice in self.voices.values())
            for voice in self.voices.values():
                voice.pad_to(self._staves_start)

    # -- voices -----------------------------------------------------------------------------------

    def _start_body(self) -> None:
        """End the header: voices begin with its settings."""
        self._in_body = True
        if not self._unit_is_given:
            self.settings.unit = fields.default_unit(self.settings.meter)
        if self.tempo_text:
            self.tempo = fields.parse_tempo(self.tempo_text, self.settings.unit)
            is_words = re.fullmatch(r'(?:"[^"]*"\s*)*', self.tempo_text)
            if self.tempo and not MIN_QPM <= self.tempo[0] <= MAX_QPM:
                self.tempo, is_words = None, None
            if not self.tempo and not is_words:
                self._count_unsure("Q", self.tempo_text, is_sure=False)
        for name, settings in self.declared.items():
            self._add_voice(name, self._complete(settings))
        self._current = next(iter(self.declared), "1")

    def _complete(self, settings: VoiceSettings) -> VoiceSettings:
        """Return the settings of a voice that is declared in the header, with those of all."""
        own, common = settings.properties, self.settings.properties
        properties = replace(common)
        for name in ("name", "clef_octave", "is_percussion", "octave", "transpose"):
            if (value := getattr(own, name)) is not None:
                setattr(properties, name, value)
        return replace(
            self.settings,
            properties=properties,
            program=self.settings.program if settings.program is None else settings.program,
            channel=self.settings.channel if settings.channel is None else settings.channel,
            transpose=self.settings.transpose + settings.transpose,
            drum_map=self.settings.drum_map | settings.drum_map,
        )

    def _add_voice(self, name: str, settings: VoiceSettings) -> Voice:
        """Add a voice."""
        if len(self.voices) >= MAX_SCORE_PARTS:
            raise UnsupportedScoreError(f"more than {MAX_SCORE_PARTS} voices")
        voice = self.voices[name] = Voice(name, settings, self.counts)
        voice.pad_to(self._staves_start)
        for field, text in self._shared_fields if name not in self.declared else ():
            self._read_voice_setting(field, text, [voice])
        return voice

    @property
    def _is_at_start(self) -> bool:
        """Whether no voice has begun."""
        return all(voice.index == 0 and not voice.time for voice in self.voices.values())

    @property
    def voice(self) -> Voice:
        """The voice that the next note belongs to."""
        return self.voices.get(self._current) or self._add_voice(self._current, self.settings)

    def _targets(self) -> list[Voice]:
        """Return the voices that a field applies to: until one is chosen, all."""
        if not self._in_body:
            return []
        if self._is_voice_chosen or not self.voices:
            return [self.voice]
        return list(self.voices.values())

    def _read_voice(self, text: str) -> None:
        """Read a V: field: declare a voice, choose it, change its properties."""
        words = text.split(maxsplit=1)
        if not words:
            return
        name, properties = words[0], fields.parse_properties(words[1] if words[1:] else "")
        if name == "*":
            for voice in self.voices.values():
                voice.set_properties(properties)
            return
        self._current = name
        if not self._in_body:
            if len(self.declared) >= MAX_SCORE_PARTS:
                raise UnsupportedScoreError(f"more than {MAX_SCORE_PARTS} voices")
            settings = self.declared.setdefault(name, VoiceSettings(transpose=0))
            for key, value in vars(properties).items():
                if value is not None:
                    setattr(settings.properties, key, value)
            return
        self._is_voice_chosen = True
        self.voice.set_properties(properties)

    # -- music ------------------------------------------------------------------------------------

    def _read_music(self, line: str) -> None:
        """Read a line of music."""
        if self._macros:
            line = self._expand_macros(line)
        self._read_tokens(line)

    def _read_tokens(self, line: str) -> None:
        """Read music, its macros written out."""
        handlers = self._handlers
        for match in tokens.MUSIC.finditer(line):
            kind = match.lastgroup or ""
            if handler := handlers.get(kind):
                handler(match)
            if kind not in ("space", "ignored"):
                self._previous = kind

    def _add_macro(self, target: str, replacement: str) -> None:
        """Add a macro; those that transpose (``~n = ...``) are not played."""
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
        self.voice.start_tuplet(notes, in_time_of or default, count or notes, is_counted=count > 0)

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
            if len(self.voice.chords) >= MAX_CHANGES:
                raise UnsupportedScoreError(f"more than {MAX_CHANGES:,} chords")
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
            voice = self.voice
            voice.dynamics.append(((voice.index, voice.time), name))
        else:
            self._add_sign(name)

    def _add_sign(self, text: str) -> None:
        if sign := tokens.parse_sign(text):
            self.voice.add_mark(sign)

    def _read_field(self, match: re.Match[str]) -> None:
        start = match.re.groupindex["field"]
        self._read_information(match[start + 1], match[start + 2].strip())

    def _read_unknown(self, match: re.Match[str]) -> None:
        self.counts.dropped["characters that are no music, left out"] += len(match[0])


def _section_label(text: str) -> str:
    """Return the label of a P: field in the body: its letter, or all of another name."""
    label = text.strip()
    is_letter = label[:1].isalpha() and not label[1:2].isalnum()
    return label[0] if is_letter else label[:80]
