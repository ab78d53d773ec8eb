"""Parts and instruments of a score, from its part list."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from musicvae.io.notation.instruments import program_of_name
from musicvae.io.notation.musicxml.numbers import parse_int
from musicvae.io.notation.percussion import drum_key_of_name

_DRUM_CHANNEL = 10  # counted from 1, as in MusicXML
_MAX_NAME_CHARACTERS = 200
_PLACEHOLDER = "MusicXML Part"  # which programs write for a part without a name


@dataclass
class Instrument:
    """An instrument of a part.

    `program` is the General MIDI program, None if unknown. `drum_key` is the MIDI key of its
    unpitched notes, None for drum kits and pitched instruments; `has_midi_key` if the file gives
    it. `is_percussion` if it plays on MIDI's drum channel.
    """

    name: str = ""
    program: int | None = None
    is_percussion: bool = False
    drum_key: int | None = None
    has_midi_key: bool = False

    def apply_midi(self, midi: Element) -> None:
        """Set what a `midi-instrument` element says."""
        for child in midi:
            number = parse_int(child.text)
            if number is None:
                continue
            if child.tag == "midi-program" and 1 <= number <= 128:
                self.program = number - 1
            elif child.tag == "midi-channel" and 1 <= number <= 16:
                self.is_percussion = number == _DRUM_CHANNEL
            elif child.tag == "midi-unpitched" and 1 <= number <= 128:
                self.drum_key, self.has_midi_key = number - 1, True


@dataclass
class PartEntry:
    """Name and instruments of a part by id; the first one plays what no other is named for."""

    name: str = ""
    instruments: dict[str, Instrument] = field(default_factory=dict)

    @property
    def first_instrument(self) -> Instrument:
        """The first instrument of the part."""
        if not self.instruments:
            self.instruments[""] = Instrument(
                self.name, program_of_name(self.name), drum_key=drum_key_of_name(self.name)
            )
        return next(iter(self.instruments.values()))

    def drum_key(self, instrument_id: str, current: Instrument) -> int | None:
        """Return the MIDI key of unpitched notes of an instrument, None if nothing tells.

        `current` is the instrument that plays notes for which no other is named.
        """
        instruments = list(self.instruments.values())
        instrument = self.instruments.get(instrument_id)
        if instrument is not None and instrument.drum_key is not None:
            return instrument.drum_key
        keyed = [other for other in instruments if other.has_midi_key]
        if len(keyed) == 1:
            return keyed[0].drum_key
        if len(instruments) == 1 or current is not instruments[0]:
            return current.drum_key
        return None


def read_part_list(root: Element) -> list[tuple[PartEntry, Element]]:
    """Return the parts of a score-partwise tree with their entries, in order.

    A part that is not listed has its id as its name.
    """
    entries = {entry.get("id", ""): entry for entry in root.iterfind("part-list/score-part")}
    parts, seen = [], set()
    for number, part in enumerate(root.iterfind("part"), start=1):
        name = part.get("id", "")
        if name in entries and name not in seen:
            parts.append((_read_entry(entries[name]), part))
        else:
            parts.append((PartEntry(name=name or f"part-{number}"), part))
        seen.add(name)
    return parts


def _read_entry(element: Element) -> PartEntry:
    """Return a `score-part` element."""
    part_name = _read_name(element)
    instruments: dict[str, Instrument] = {}
    for child in element.iterfind("score-instrument"):
        instruments[child.get("id", "")] = _read_instrument(child, part_name)
    for midi in element.iterfind("midi-instrument"):
        key = midi.get("id", "")
        if key not in instruments:
            # Some programs write ids that match no instrument; then their order counts.
            instruments[key] = Instrument("", program_of_name(part_name))
        instruments[key].apply_midi(midi)
    if len(instruments) == 1:
        only = next(iter(instruments.values()))
        if only.drum_key is None:
            only.drum_key = drum_key_of_name(part_name)
    first_name = next(iter(instruments.values())).name if instruments else ""
    return PartEntry(part_name or first_name, instruments)


def _read_name(element: Element) -> str:
    """Return the name of a part: the one displayed if that is all, and its abbreviation if not."""
    name = _clean(element.findtext("part-name"))
    if name in ("", _PLACEHOLDER):
        display = element.findall("part-name-display/display-text")
        name = _clean(" ".join(child.text or "" for child in display)) or name
    if not name and element.find("score-instrument") is None:
        name = _clean(element.findtext("part-abbreviation"))
    return name


def _read_instrument(element: Element, part_name: str) -> Instrument:
    """Return a `score-instrument` element; its program is that of its sound or name."""
    name = _clean(element.findtext("instrument-name"))
    sound = element.findtext("instrument-sound") or ""
    program = program_of_name(name)
    if program is None:
        program = program_of_sound(sound)
    if program is None:
        program = program_of_name(part_name)
    drum_key = drum_key_of_name(name)
    if drum_key is None and re.match(r"(drum|metal|wood|rattle|effect)\.", sound):
        drum_key = drum_key_of_name(sound.rpartition(".")[2][:_MAX_NAME_CHARACTERS])
    return Instrument(name, program, drum_key=drum_key)


def program_of_sound(sound: str) -> int | None:
    """Return the program of a standard sound (``"strings.violin"``), None if it is unknown."""
    for component in reversed(sound[:_MAX_NAME_CHARACTERS].split(".")):
        program = program_of_name(component.replace("-", " "))
        if program is not None:
            return program
    return None


def _clean(text: str | None) -> str:
    """Return a name on one line."""
    return " ".join((text or "")[:_MAX_NAME_CHARACTERS].split())
