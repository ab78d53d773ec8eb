"""Reader of one part of a MusicXML score: its notes and marks, measure by measure.

A position in a measure is counted in divisions, as the file gives it; lengths in quarters are
looked up, since few different ones occur in a part.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from xml.etree.ElementTree import Element

from musicvae.errors import printable
from musicvae.io.limits import MAX_SCORE_BARS, MAX_SCORE_NOTE_QUARTERS, MAX_SCORE_PARTS
from musicvae.io.notation.musicxml.attributes import ALL_STAVES, Attributes
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
    UnsupportedScoreError,
    check_resolution,
)
from musicvae.io.stated_chords import StatedChord

_WHOLE_REST_QUARTERS = 4
_MAX_TUPLET_NOTES = 1024
_MAX_OCTAVE, _MAX_ALTER = 20, 24
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MAX_NUMBER_CHARACTERS = 12

InstrumentKind = tuple[int | None, bool]
"""General MIDI program, and whether it is percussion."""


class PartReader:
    """Reads the measures of one part.

    Its results: `streams`, the notes by instrument kind, staff and measure, `lengths` of measures
    in quarters by staff, and marks.
    """

    def __init__(self, entry: PartEntry, signs: SignCollector, omissions: Omissions) -> None:
        self.entry, self.signs, self.omissions = entry, signs, omissions
        self.attributes = Attributes(omissions)
        self.instrument = entry.first_instrument
        self.streams: dict[InstrumentKind, dict[int, dict[int, list[ScoreNote]]]] = {}
        self.stream_names: dict[InstrumentKind, str] = {}
        self.measure_numbers: list[str] = []
        self.lengths: dict[int, dict[int, Fraction]] = {}
        self.tempo_marks: list[tuple[ScorePosition, bool, float]] = []
        self.tempo_ratios: list[tuple[ScorePosition, Fraction | None]] = []  # None: the first
        self.dynamics: list[tuple[int, ScorePosition, str]] = []  # with their staff
        self.chords: list[tuple[ScorePosition, StatedChord]] = []
        # What texts of the file mean.
        self._numbers: dict[str, Number] = {}
        self._quarters: dict[Number, Fraction] = {}
        self._pitches: dict[tuple[str | None, ...], int] = {}
        self._microtones: set[tuple[str | None, ...]] = set()
        self._staves: dict[str, int] = {}
        self._drum_keys: dict[tuple[str, ...], int | None] = {}
        # Of the current measure, by text of the staff.
        self._index = 0
        self._position: Number = 0
        self._chord_onset: Number = 0
        self._targets: dict[tuple[str, str, bool], list[ScoreNote]] = {}
        self._reach: dict[str, Number] = {}
        self._forward_reach: Number = 0
        self._n_rests: dict[str, int] = {}
        self._full_rests: dict[str, Number] = {}
        self._is_measure_rest: dict[str, bool] = {}
        self._sounding: set[str] = set()

    def read(self, part: Element) -> None:
        """Read all measures. Raises `UnsupportedScoreError` for invalid numbers."""
        for index, measure in enumerate(part.iterfind("measure")):
            if index > MAX_SCORE_BARS:
                raise UnsupportedScoreError(f"more than {MAX_SCORE_BARS} bars")
            self._begin_measure(measure, index)
            for element in measure:
                tag = element.tag
                if tag == "note":
                    self._read_note(element)
                elif tag in _READERS:
                    _READERS[tag](self, element)
            self._end_measure(is_implicit=measure.get("implicit") == "yes")
        self._shorten_last_measure()
        self.signs.end_part()

    # -- measures ---------------------------------------------------------------------------------

    def _begin_measure(self, measure: Element, index: int) -> None:
        """Begin a measure at position 0."""
        number = printable(measure.get("number", "").strip()[:_MAX_NUMBER_CHARACTERS])
        self.measure_numbers.append(number or str(index + 1))
        self._index, self._position, self._chord_onset, self._forward_reach = index, 0, 0, 0
        self._targets, self._reach, self._n_rests, self._full_rests = {}, {}, {}, {}
        self._sounding = set()

    def _end_measure(self, *, is_implicit: bool) -> None:
        """Record the length of the measure on each staff; staves with notes end together."""
        for staff, end in self._full_rests.items():
            end = self._full_rest_end(staff, end, is_implicit=is_implicit)
            self._reach[staff] = max(self._reach.get(staff, 0), end)
        if not self._reach:
            self._reach = {"1": 0}
        limit = MAX_SCORE_NOTE_QUARTERS * self.attributes.divisions
        forward_end = self._forward_reach
        if self.attributes.nominal_quarters is not None:  # beyond it, only notes and rests count
            nominal = simplify(self.attributes.nominal_quarters * self.attributes.divisions)
            forward_end = min(forward_end, nominal)
        sounding_end = max([forward_end, *(self._reach[staff] for staff in self._sounding)])
        for staff, end in self._reach.items():
            if staff in self._sounding:
                end = sounding_end
            elif not self._sounding:
                end = max(end, forward_end)
            if end > limit:
                raise UnsupportedScoreError(f"a measure is too long ({self._where()})")
            length = self._to_quarters(end)
            lengths = self.lengths.setdefault(self._staff_number(staff), {})
            before = lengths.get(self._index)
            lengths[self._index] = length if before is None else max(length, before)

    def _shorten_last_measure(self) -> None:
        """End the last measure with its notes if it is the complement of a pickup.

        Some programs fill such a measure with a `forward`, which is silent like a rest.
        """
        notes_end = self._to_quarters(max(self._reach.values(), default=0))
        for lengths in self.lengths.values():
            is_complement = lengths.get(0, 0) + notes_end == self.attributes.nominal_quarters
            if self._index and is_complement and lengths.get(self._index, 0) > notes_end > 0:
                lengths[self._index] = notes_end

    def _full_rest_end(self, staff: str, end: Number, *, is_implicit: bool) -> Number:
        """Return the end of a rest that may stand for a whole measure of any meter.

        A whole rest that is alone does. One that is said to be a measure's may be shorter than the
        meter, where parts have different ones.
        """
        nominal = self.attributes.nominal_quarters
        if nominal is None or is_implicit:
            return end
        full = simplify(nominal * self.attributes.divisions)
        is_alone = self._n_rests[staff] == 1 and staff not in self._sounding
        if self._is_measure_rest[staff] or not is_alone:
            return min(end, full)
        is_whole_rest = end == _WHOLE_REST_QUARTERS * self.attributes.divisions
        return full if is_whole_rest else end

    def read_backup(self, backup: Element) -> None:
        """Move back, no further than to the beginning of the measure."""
        self._position = max(self._position - self._movement(backup), 0)

    def read_forward(self, forward: Element) -> None:
        """Move forward; the measure reaches at least so far."""
        self._position += self._movement(forward)
        check_resolution(self._position)
        self._forward_reach = max(self._forward_reach, self._position)

    def _movement(self, element: Element) -> Number:
        """Return the duration of a `backup` or `forward` element, 0 if it has none."""
        text = element.findtext("duration")
        if text is None:
            return 0
        return self._numbers.get(text) or self._parse_duration(text)

    def read_attributes(self, element: Element) -> None:
        """Read attributes; new divisions apply to positions in this measure, too."""
        before = self.attributes.divisions
        self.attributes.read(element, self._index, self._to_quarters(self._position))
        if self.attributes.divisions != before:
            ratio = Fraction(self.attributes.divisions) / before
            self._position = simplify(self._position * ratio)
            check_resolution(self._position)
            self._chord_onset = simplify(self._chord_onset * ratio)
            self._forward_reach = simplify(self._forward_reach * ratio)
            for ends in (self._reach, self._full_rests):
                ends.update({staff: simplify(end * ratio) for staff, end in ends.items()})
            self._quarters = {}
        self._drum_keys = {}

    def read_barline(self, barline: Element) -> None:
        """Read the repeat signs of a bar line."""
        if len(barline) or len(barline.attrib) > 1:
            self.signs.add_barline(self._index, self._to_quarters(self._position), barline)

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
        place = self._place(direction.offset)
        if direction.qpm is not None:
            self.tempo_marks.append((place, direction.tempo_from_words, direction.qpm))
        if direction.tempo_ratio is not None or direction.is_first_tempo:
            self.tempo_ratios.append((place, direction.tempo_ratio))
        staff = self._staff_number(direction.staff)
        self.dynamics += [(staff, place, name) for name in direction.dynamics]
        if direction.jumps:
            self.signs.add_jumps(self._index, direction.jumps)
        if direction.swing is not None or direction.is_straight:
            self.omissions.swing_marks.append((self._index, direction.swing))

    def read_harmony(self, element: Element) -> None:
        """Read a chord symbol."""
        harmony = read_harmony(element, self._key_in_force)
        if harmony is None:
            return
        if harmony.chord is None:
            self.omissions.n_unreadable_chords += 1
            return
        semitones = self.attributes.transposition(1) if harmony.is_written else 0
        self.chords.append((self._place(harmony.offset), harmony.chord.transpose(semitones)))

    def _key_in_force(self) -> tuple[int, bool]:
        """Return the fifths of the key signature here, and whether it is minor; by default C."""
        return self.attributes.keys[-1][2] if self.attributes.keys else (0, False)

    def _place(self, offset: Number) -> ScorePosition:
        """Return the position at an offset in divisions from here."""
        position = self._position
        if offset:
            position = max(position + offset, 0)
            if position > MAX_SCORE_NOTE_QUARTERS * self.attributes.divisions:
                position = self._position
        return self._index, self._to_quarters(position)

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
        tags = {child.tag: child for child in note}
        if "grace" in tags:
            self.omissions.n_grace_notes += 1
            return
        element = tags.get("staff")
        staff = (element.text or "1") if element is not None else "1"
        element = tags.get("duration")
        duration = self._numbers.get(element.text or "") if element is not None else None
        if duration is None:
            duration = self._find_duration(note, tags)
            if duration is None:
                self.omissions.n_without_duration += 1
                return
        if "chord" in tags:
            onset = self._chord_onset
        else:
            onset = self._chord_onset = self._position
            self._position = onset + duration
        end = onset + duration
        if type(end) is Fraction:
            check_resolution(end)
        if "rest" in tags or "cue" in tags:
            self._add_rest(tags, staff, end, is_first=onset == 0)
            return
        if end > self._reach.get(staff, 0):
            self._reach[staff] = end
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
        quarters = self._quarters
        start = quarters.get(onset)
        if start is None:
            start = self._to_quarters(onset)
        length = quarters.get(duration)
        if length is None:
            length = self._to_quarters(duration)
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
            octave = self.attributes.doubling(self._staff_number(staff))
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
                place, number = (self._index, onset), self._staff_number(staff)
                self.dynamics += [(number, place, name) for name in dynamics_names(mark)]
            ornaments = notations.find("ornaments")
            if ornaments is not None:
                self.omissions.n_tremolos += ornaments.find("tremolo") is not None
        return tie

    def _find_duration(self, note: Element, tags: dict[str, Element]) -> Number | None:
        """Return a duration in divisions from its text, else from the note type, or None."""
        element = tags.get("duration")
        if element is not None and ("type" not in tags or parse_number(element.text) is not None):
            return self._parse_duration(element.text or "")
        divisions = self.attributes.divisions
        rest = tags.get("rest")
        if rest is not None and ("type" not in tags or rest.get("measure") == "yes"):
            nominal = self.attributes.nominal_quarters or _WHOLE_REST_QUARTERS
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

    def _parse_duration(self, text: str) -> Number:
        """Return a duration in divisions. Raises `UnsupportedScoreError` if it is invalid."""
        duration = parse_number(text)
        if duration is None or duration < 0:
            raise self._invalid("duration", text)
        if duration > MAX_SCORE_NOTE_QUARTERS * self.attributes.divisions:
            raise UnsupportedScoreError(f"a note is too long ({self._where()})")
        self._numbers[text] = duration
        return duration

    def _add_rest(
        self, tags: dict[str, Element], staff: str, end: Number, *, is_first: bool
    ) -> None:
        """Add a rest or cue note; a rest that may stand for a whole measure is kept apart."""
        self._n_rests[staff] = self._n_rests.get(staff, 0) + 1
        rest = tags.get("rest")
        if rest is None:
            self.omissions.n_cue_notes += 1
        elif is_first and staff not in self._full_rests:
            kind = tags.get("type")
            is_whole = kind is None or (kind.text or "").strip() == "whole"
            is_measure_rest = rest.get("measure") == "yes"
            if is_whole or is_measure_rest:
                self._full_rests[staff], self._is_measure_rest[staff] = end, is_measure_rest
                return
        if end > self._reach.get(staff, 0):
            self._reach[staff] = end

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
        notes_by_measure = self.streams[kind].setdefault(self._staff_number(staff), {})
        target = notes_by_measure.setdefault(self._index, [])
        self._targets[staff, instrument_id, is_unpitched] = target
        self._sounding.add(staff)
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
                pitch += self.attributes.transposition(self._staff_number(staff))
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
            raise self._invalid("pitch", " ".join(part or "" for part in text))
        if abs(octave) > _MAX_OCTAVE or not -_MAX_ALTER <= alter <= _MAX_ALTER:
            raise self._invalid("pitch", " ".join(part or "" for part in text))
        if alter != int(alter):
            self._microtones.add(text)
        return 12 * (octave + 1) + step + int((alter + Fraction(1, 2)) // 1)

    def _is_drum_note(self, instrument_id: str, staff: str) -> bool:
        """Whether a note with a pitch is a position in a percussion clef.

        On MIDI's drum channel pitches are keys, and instruments with a program have pitches.
        """
        number = self._staff_number(staff)
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
            if key is None and self.attributes.n_lines(self._staff_number(staff)) != 1:
                key = drum_key_at(step, octave, head)
            self._drum_keys[text] = key
        key = self._drum_keys[text]
        if key is None:
            self.omissions.n_unmapped_drums += 1
            return DEFAULT_KEY
        return key

    # -- numbers ----------------------------------------------------------------------------------

    def _staff_number(self, text: str) -> int:
        """Return the staff that a text gives, 1 if it is invalid."""
        staff = self._staves.get(text)
        if staff is None:
            number = parse_int(text)
            staff = number if number is not None and 0 < number <= MAX_SCORE_PARTS else 1
            self._staves[text] = staff
        return staff

    def _to_quarters(self, number: Number) -> Fraction:
        """Return a number of divisions in quarters."""
        quarters = self._quarters.get(number)
        if quarters is None:
            quarters = self._quarters[number] = Fraction(number) / self.attributes.divisions
        return quarters

    def _invalid(self, what: str, text: str) -> UnsupportedScoreError:
        """Return the error of an invalid text."""
        shown = printable(" ".join(text.split()))[:20]
        return UnsupportedScoreError(f"invalid {what} '{shown}' ({self._where()})")

    def _where(self) -> str:
        """Return the current measure in words."""
        return f"measure {self.measure_numbers[-1]}"


def _tie_type(parent: Element, tag: str) -> str:
    """Return the tie of a note by its `tie` or `tied` elements, as `ScoreNote` has it."""
    types = {child.get("type") for child in parent.findall(tag)}
    if "continue" in types or {"start", "stop"} <= types:
        return "continue"
    return "start" if "start" in types else "stop" if "stop" in types else ""


_READERS: dict[str, Callable[[PartReader, Element], None]] = {
    "backup": PartReader.read_backup,
    "forward": PartReader.read_forward,
    "attributes": PartReader.read_attributes,
    "direction": PartReader.read_direction,
    "harmony": PartReader.read_harmony,
    "sound": PartReader.read_sound,
    "barline": PartReader.read_barline,
}
