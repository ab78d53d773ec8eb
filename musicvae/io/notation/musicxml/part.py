"""Reader of one part of a MusicXML score: its notes and marks, measure by measure."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from xml.etree.ElementTree import Element

from musicvae.io.limits import MAX_SCORE_BARS
from musicvae.io.notation.musicxml.attributes import ALL_STAVES, Attributes
from musicvae.io.notation.musicxml.cursor import WHOLE_REST_QUARTERS, Cursor
from musicvae.io.notation.musicxml.directions import (
    Direction,
    dynamics_names,
    parse_velocity,
    read_direction,
    read_sound,
)
from musicvae.io.notation.musicxml.harmony import read_harmony
from musicvae.io.notation.musicxml.numbers import (
    Number,
    note_type_quarters,
    parse_int,
    parse_number,
    simplify,
)
from musicvae.io.notation.musicxml.omissions import Omissions
from musicvae.io.notation.musicxml.part_list import Instrument, PartEntry, program_of_sound
from musicvae.io.notation.musicxml.signs import SignCollector
from musicvae.io.notation.percussion import DEFAULT_KEY, drum_key_at
from musicvae.io.notation.score import (
    ScoreNote,
    ScorePosition,
    check_count,
    check_resolution,
)
from musicvae.io.stated_chords import StatedChord

_MAX_TUPLET_NOTES = 1024
_MAX_OCTAVE, _MAX_ALTER = 20, 24
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}

InstrumentKind = tuple[int | None, bool]
"""General MIDI program, and whether it is percussion."""


class PartReader:
    """Reads the measures of one part.

    Its results: `streams`, the notes by instrument kind, staff and measure, marks, and the measures
    of its `cursor`.
    """

    def __init__(self, entry: PartEntry, signs: SignCollector, omissions: Omissions) -> None:
        self.entry, self.signs, self.omissions = entry, signs, omissions
        self.attributes = Attributes(omissions)
        self.cursor = Cursor(self.attributes)
        self.instrument = entry.first_instrument
        self.streams: dict[InstrumentKind, dict[int, dict[int, list[ScoreNote]]]] = {}
        self.stream_names: dict[InstrumentKind, str] = {}
        self.tempo_marks: list[tuple[ScorePosition, bool, float]] = []
        self.tempo_ratios: list[tuple[ScorePosition, Fraction | None]] = []  # None: the first
        self.dynamics: list[tuple[int, ScorePosition, str]] = []  # with their staff
        self.chords: list[tuple[ScorePosition, StatedChord]] = []
        # What texts of the file mean.
        self._pitches: dict[tuple[str | None, ...], int] = {}
        self._microtones: set[tuple[str | None, ...]] = set()
        self._drum_keys: dict[tuple[str, ...], int | None] = {}
        self._targets: dict[tuple[str, str, bool], list[ScoreNote]] = {}  # of the current measure

    def read(self, part: Element) -> None:
        """Read all measures. Raises `UnsupportedScoreError` for invalid numbers."""
        for index, measure in enumerate(part.iterfind("measure")):
            check_count(index, MAX_SCORE_BARS, "bars")
            self.cursor.begin_measure(measure, index)
            self._targets = {}
            for element in measure:
                tag = element.tag
                if tag == "note":
                    self._read_note(element)
                elif tag in _READERS:
                    _READERS[tag](self, element)
            self.cursor.end_measure(is_implicit=measure.get("implicit") == "yes")
        self.cursor.shorten_last_measure()
        self.signs.end_part()

    # -- measures ---------------------------------------------------------------------------------

    def read_attributes(self, element: Element) -> None:
        """Read attributes; new divisions apply to positions in this measure, too."""
        before = self.attributes.divisions
        self.attributes.read(element, *self.cursor.place())
        if self.attributes.divisions != before:
            self.cursor.rescale(Fraction(self.attributes.divisions) / before)
        self._drum_keys = {}

    def read_barline(self, barline: Element) -> None:
        """Read the repeat signs of a bar line."""
        if len(barline) or len(barline.attrib) > 1:
            self.signs.add_barline(*self.cursor.place(), barline)

    # -- marks ------------------------------------------------------------------------------------

    def read_direction(self, element: Element) -> None:
        """Read tempo, dynamics and jumps of a direction."""
        direction = read_direction(element)
        self._apply(direction)
        for sound in direction.sounds:
            self._change_instrument(sound)

    def read_sound(self, sound: Element) -> None:
        """Read a sound that belongs to no direction."""
        direction = Direction(offset=parse_number(sound.findtext("offset")) or 0)
        read_sound(sound, direction)
        self._apply(direction)
        self._change_instrument(sound)

    def _apply(self, direction: Direction) -> None:
        """Add the marks of a direction."""
        place = self.cursor.place(direction.offset)
        if direction.qpm is not None:
            self.tempo_marks.append((place, direction.tempo_from_words, direction.qpm))
        if direction.tempo_ratio is not None or direction.is_first_tempo:
            self.tempo_ratios.append((place, direction.tempo_ratio))
        staff = self.cursor.staff_number(direction.staff)
        self.dynamics += [(staff, place, name) for name in direction.dynamics]
        if direction.jumps:
            self.signs.add_jumps(self.cursor.index, direction.jumps)
        if direction.swing is not None or direction.is_straight:
            self.signs.swing_marks.append((self.cursor.index, direction.swing))

    def read_harmony(self, element: Element) -> None:
        """Read a chord symbol."""
        harmony = read_harmony(element, self._key_in_force)
        if harmony is None:
            return
        if harmony.chord is None:
            self.omissions.n_unreadable_chords += 1
            return
        semitones = self.attributes.transposition(1) if harmony.is_written else 0
        self.chords.append((self.cursor.place(harmony.offset), harmony.chord.transpose(semitones)))

    def _key_in_force(self) -> tuple[int, bool]:
        """Return the fifths of the key signature here, and whether it is minor; by default C."""
        return self.attributes.keys[-1][2] if self.attributes.keys else (0, False)

    def _change_instrument(self, sound: Element) -> None:
        """Change the instrument that plays notes from here on, as a sound says."""
        for child in sound:
            if child.tag not in ("instrument-change", "midi-instrument"):
                continue
            known = self.entry.instruments.get(child.get("id", ""))
            self.instrument = known or self.instrument
            if child.tag == "midi-instrument":
                self.instrument.apply_midi(child)
            elif (name := child.findtext("instrument-sound")) and known is None:
                self.instrument = Instrument(program=program_of_sound(name))
            self._targets, self._drum_keys = {}, {}

    # -- notes ------------------------------------------------------------------------------------

    def _read_note(self, note: Element) -> None:
        """Read a note or rest."""
        cursor = self.cursor
        tags = {child.tag: child for child in note}
        if "grace" in tags:
            self.omissions.n_grace_notes += 1
            return
        element = tags.get("staff")
        staff = (element.text or "1") if element is not None else "1"
        element = tags.get("duration")
        duration = cursor.durations.get(element.text or "") if element is not None else None
        if duration is None:
            duration = self._find_duration(note, tags)
            if duration is None:
                self.omissions.n_without_duration += 1
                return
        if "chord" in tags:
            onset = cursor.chord_onset
        else:
            onset = cursor.chord_onset = cursor.position
            cursor.position = onset + duration
        end = onset + duration
        if type(end) is Fraction:
            check_resolution(end)
        if "rest" in tags or "cue" in tags:
            self.omissions.n_cue_notes += "rest" not in tags
            cursor.add_rest(tags, staff, end, is_first=onset == 0)
            return
        cursor.extend(staff, end)
        if not duration:
            self.omissions.n_grace_notes += 1
            return
        element = tags.get("instrument")
        instrument = element.get("id", "") if element is not None else ""
        place = tags.get("unpitched")
        if place is None and self.attributes.percussion_staves and "pitch" in tags:
            place = tags["pitch"] if self._is_drum_note(instrument, staff) else None
        is_unpitched = place is not None
        if place is not None:
            head = (tags["notehead"].text or "") if "notehead" in tags else ""
            pitch = self._drum_key(instrument, staff, place, head)
        elif "pitch" in tags:
            pitch = self._pitch(instrument, staff, tags["pitch"])
        else:
            return
        tie = _tie_type(note, "tie") if "tie" in tags else ""
        start, length = cursor.to_quarters(onset), cursor.to_quarters(duration)
        if "notations" in tags:
            notated_tie = self._read_notations(note, start, staff)
            tie = tie or notated_tie
        dynamics = note.get("dynamics")
        velocity = parse_velocity(dynamics) if dynamics is not None else None
        target = self._targets.get((staff, instrument, is_unpitched))
        if target is None:
            target = self._open_target(staff, instrument, is_unpitched=is_unpitched)
        target.append(ScoreNote(start, length, pitch, tie, velocity))
        if self.attributes.is_transposing and not is_unpitched:
            octave = self.attributes.doubling(cursor.staff_number(staff))
            if octave and 0 <= pitch + octave < 128:
                target.append(ScoreNote(start, length, pitch + octave, tie, velocity))

    def _read_notations(self, note: Element, onset: Fraction, staff: str) -> str:
        """Read the dynamics and tremolos of a note; return its tie."""
        tie = ""
        for notations in note.findall("notations"):
            if not tie and notations.find("tied") is not None:
                tie = _tie_type(notations, "tied")
            mark = notations.find("dynamics")
            if mark is not None:
                place, number = (self.cursor.index, onset), self.cursor.staff_number(staff)
                self.dynamics += [(number, place, name) for name in dynamics_names(mark)]
            ornaments = notations.find("ornaments")
            if ornaments is not None:
                self.omissions.n_tremolos += ornaments.find("tremolo") is not None
        return tie

    def _find_duration(self, note: Element, tags: dict[str, Element]) -> Number | None:
        """Return a duration in divisions from its text, else from the note type, or None."""
        element = tags.get("duration")
        if element is not None and ("type" not in tags or parse_number(element.text) is not None):
            return self.cursor.parse_duration(element.text or "")
        divisions = self.attributes.divisions
        rest = tags.get("rest")
        if rest is not None and ("type" not in tags or rest.get("measure") == "yes"):
            nominal = self.attributes.nominal_quarters or WHOLE_REST_QUARTERS
            return simplify(nominal * divisions)
        kind = tags.get("type")
        name = kind.text if kind is not None else None
        quarters = note_type_quarters(name, len(note.findall("dot")))
        if quarters is None:
            return None
        modification = tags.get("time-modification")
        if modification is not None:
            actual = parse_int(modification.findtext("actual-notes")) or 1
            normal = parse_int(modification.findtext("normal-notes")) or 1
            if 0 < actual < _MAX_TUPLET_NOTES and 0 < normal < _MAX_TUPLET_NOTES:
                quarters = quarters * normal / actual
        return simplify(quarters * divisions)

    def _open_target(
        self, staff: str, instrument_id: str, *, is_unpitched: bool
    ) -> list[ScoreNote]:
        """Return the list of notes of this measure for a staff and an instrument."""
        instrument = self.entry.instruments.get(instrument_id) or self.instrument
        kind: InstrumentKind = (instrument.program, False)
        if is_unpitched or instrument.is_percussion:
            kind = (None, True)
        if kind not in self.streams:
            self.streams[kind], self.stream_names[kind] = {}, instrument.name
        notes_by_measure = self.streams[kind].setdefault(self.cursor.staff_number(staff), {})
        target = notes_by_measure.setdefault(self.cursor.index, [])
        self._targets[staff, instrument_id, is_unpitched] = target
        self.cursor.sounding.add(staff)
        return target

    # -- pitches ----------------------------------------------------------------------------------

    def _pitch(self, instrument_id: str, staff: str, element: Element) -> int:
        """Return the sounding MIDI pitch of a `pitch` element."""
        text = tuple([child.text for child in element])
        pitch = self._pitches.get(text)
        if pitch is None:
            pitch = self._pitches[text] = self._parse_pitch(element, text)
        if self._microtones and text in self._microtones:
            self.omissions.n_microtones += 1
        if self.attributes.is_transposing:
            instrument = self.entry.instruments.get(instrument_id) or self.instrument
            if not instrument.is_percussion:
                pitch += self.attributes.transposition(self.cursor.staff_number(staff))
        if 0 <= pitch < 128:
            return pitch
        self.omissions.n_outside_midi += 1
        return pitch % 12 if pitch < 0 else 116 + (pitch - 116) % 12

    def _parse_pitch(self, element: Element, text: tuple[str | None, ...]) -> int:
        """Return the written MIDI pitch of a `pitch` element, quarter tones rounded up."""
        step = _SEMITONES.get((element.findtext("step") or "").strip())
        octave = parse_int(element.findtext("octave"))
        alter_text = element.findtext("alter")
        alter: Number | None = 0
        if alter_text and alter_text.strip():
            alter = parse_number(alter_text)
        if step is None or octave is None or alter is None:
            raise self.cursor.invalid("pitch", " ".join(part or "" for part in text))
        if abs(octave) > _MAX_OCTAVE or not -_MAX_ALTER <= alter <= _MAX_ALTER:
            raise self.cursor.invalid("pitch", " ".join(part or "" for part in text))
        if alter != int(alter):
            self._microtones.add(text)
        return 12 * (octave + 1) + step + int((alter + Fraction(1, 2)) // 1)

    def _is_drum_note(self, instrument_id: str, staff: str) -> bool:
        """Whether a note with a pitch is a position in a percussion clef.

        On MIDI's drum channel pitches are keys, and instruments with a program have pitches.
        """
        number = self.cursor.staff_number(staff)
        if self.attributes.percussion_staves.isdisjoint((number, ALL_STAVES)):
            return False
        instrument = self.entry.instruments.get(instrument_id) or self.instrument
        if instrument.is_percussion:
            return False
        return instrument.program is None or instrument.drum_key is not None

    def _drum_key(self, instrument_id: str, staff: str, place: Element, head: str) -> int:
        """Return the MIDI key of an unpitched note, by its instrument or its position."""
        step = place.findtext("display-step") or place.findtext("step") or ""
        octave = place.findtext("display-octave") or place.findtext("octave") or ""
        text = instrument_id, staff, step, octave, head
        if text not in self._drum_keys:
            key = self.entry.drum_key(instrument_id, self.instrument)
            if key is None and self.attributes.n_lines(self.cursor.staff_number(staff)) != 1:
                key = drum_key_at(step, octave, head)
            self._drum_keys[text] = key
        key = self._drum_keys[text]
        if key is None:
            self.omissions.n_unmapped_drums += 1
            return DEFAULT_KEY
        return key


def _tie_type(parent: Element, tag: str) -> str:
    """Return the tie of a note by its `tie` or `tied` elements, as `ScoreNote` has it."""
    types = {child.get("type") for child in parent.findall(tag)}
    if "continue" in types or {"start", "stop"} <= types:
        return "continue"
    return "start" if "start" in types else "stop" if "stop" in types else ""


_READERS: dict[str, Callable[[PartReader, Element], None]] = {
    "backup": lambda reader, element: reader.cursor.move_back(element),
    "forward": lambda reader, element: reader.cursor.move_forward(element),
    "attributes": PartReader.read_attributes,
    "direction": PartReader.read_direction,
    "harmony": PartReader.read_harmony,
    "sound": PartReader.read_sound,
    "barline": PartReader.read_barline,
}
