"""Reading of one tune: its fields and directives, and its voices."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from musicvae.io.limits import MAX_SCORE_PARTS
from musicvae.io.notation.abc import fields
from musicvae.io.notation.abc.directives import Directives
from musicvae.io.notation.abc.measures import Counts, VoiceSettings
from musicvae.io.notation.abc.music import MusicReader
from musicvae.io.notation.abc.voice import Voice
from musicvae.io.notation.score import (
    MAX_QPM,
    MIN_QPM,
    TimeSignature,
    check_count,
)

_FIELD = re.compile(r"([A-Zmrswd+]):(?![|:])\s*(.*)", re.DOTALL)
_SKIPPED_FIELDS = frozenset("ABCDFGHNORSTWXZrsw+")


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
        self._staves_start = 0
        self._shared_fields: list[tuple[str, str]] = []  # of the body, before its first voice
        self._music = MusicReader(self.counts, lambda: self.voice, self._read_information)

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
                self._music.read(line)
            elif not self._has_key and line.strip():
                self._start_body()
                self._music.read(line)
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
        elif name == "U":
            self._music.add_symbol(text)
        elif name == "m":
            self._music.add_macro(text)
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
                voice.signs.start_section(_section_label(text))
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
        check_count(len(self.voices) + 1, MAX_SCORE_PARTS, "voices")
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
            check_count(len(self.declared) + 1, MAX_SCORE_PARTS, "voices")
            settings = self.declared.setdefault(name, VoiceSettings(transpose=0))
            for key, value in vars(properties).items():
                if value is not None:
                    setattr(settings.properties, key, value)
            return
        self._is_voice_chosen = True
        self.voice.set_properties(properties)


def _section_label(text: str) -> str:
    """Return the label of a P: field in the body: its letter, or all of another name."""
    label = text.strip()
    is_letter = label[:1].isalpha() and not label[1:2].isalnum()
    return label[0] if is_letter else label[:80]
