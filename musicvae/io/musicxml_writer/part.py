"""Writer of the measures of one part."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.chords import Chord
from musicvae.io.musicxml_writer.harmony import harmony_element
from musicvae.io.musicxml_writer.layout import ScoreLayout
from musicvae.io.musicxml_writer.note_values import (
    CELLS_PER_QUARTER,
    ChordSpan,
    NoteValue,
    split_voices,
    to_note_values,
    with_rests,
)
from musicvae.io.musicxml_writer.staves import (
    Clef,
    Staff,
    choose_clef,
    choose_staves,
    drum_notation,
    spell_pitch,
)
from musicvae.song import Part
from musicvae.swing import EIGHTHS, SIXTEENTHS, Swing

_SWING_TYPES = {EIGHTHS: "eighth", SIXTEENTHS: "16th"}
_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}


class PartWriter:
    """Writes one part, bar by bar; times are in cells from the start of the song."""

    def __init__(self, layout: ScoreLayout, part: Part, index: int) -> None:
        self.layout, self.is_drum, self.name = layout, part.is_drum, f"P{index + 1}"
        self.notes = layout.bars.notes.select(layout.bars.notes.part == index)
        grid, bar = layout.bars.grid, self.notes.bar
        self.onset_cells = grid.cell_offsets[bar] + self.notes.step - grid.lead_steps[bar]
        ends = self.onset_cells + self.notes.duration
        self.end_cells = np.minimum(ends, grid.cell_offsets[-1])
        if self.is_drum:
            self.end_cells = self._drum_end_cells()
        self.staves = [Staff()] if part.is_drum else choose_staves(part, self.notes.pitch)
        self.clefs = [
            Clef("percussion")
            if part.is_drum
            else choose_clef(self.notes.pitch[self._is_on_staff(staff)] - 12 * staff.octave_change)
            for staff in self.staves
        ]
        self.fifths = 0

    def _is_on_staff(self, staff: Staff) -> NDArray[np.bool_]:
        """Return which notes are on a staff `(M,)`."""
        return (self.notes.pitch >= staff.min_pitch) & (self.notes.pitch < staff.stop_pitch)

    def _drum_end_cells(self) -> Ints:
        """Return the ends of drum notes: the next hit, or the end of the quarter or bar."""
        grid = self.layout.bars.grid
        onsets = np.unique(self.onset_cells)
        next_onsets = np.append(onsets[1:], grid.cell_offsets[-1])
        next_onset = next_onsets[np.searchsorted(onsets, self.onset_cells)]
        quarter_end = self.onset_cells + CELLS_PER_QUARTER - self.notes.step % CELLS_PER_QUARTER
        bar_end = grid.cell_offsets[self.notes.bar + 1]
        return np.minimum(np.minimum(next_onset, quarter_end), bar_end)

    def to_element(self) -> Element:
        """Return the part element with all measures."""
        part = Element("part", id=self.name)
        layout = self.layout
        number = 0 if len(layout.bars) and layout.bars.grid.lead_steps[0] else 1
        for bar in range(len(layout.bars)):
            measure = SubElement(part, "measure", number=str(number + bar))
            if layout.is_implicit[bar]:
                measure.set("implicit", "yes")
            self._write_attributes(measure, bar)
            if self.name == "P1":
                self._write_tempos(measure, bar)
                if bar == 0 and self.layout.swing is not None:
                    self._write_swing(measure, self.layout.swing)
            self._write_measure(measure, bar)
        if not len(layout.bars):
            SubElement(part, "measure", number="1")
        elif len(part):
            barline = SubElement(part[-1], "barline", location="right")
            SubElement(barline, "bar-style").text = "light-heavy"
        return part

    def _write_attributes(self, measure: Element, bar: int) -> None:
        """Write divisions, key, time signature, staves and clefs where they change."""
        layout, attributes = self.layout, Element("attributes")
        if bar == 0:
            SubElement(attributes, "divisions").text = str(CELLS_PER_QUARTER)
        if bar in layout.keys:
            self.fifths = layout.keys[bar]
            SubElement(SubElement(attributes, "key"), "fifths").text = str(
                0 if self.is_drum else self.fifths
            )
        if meter := layout.meters[bar]:
            time = SubElement(attributes, "time")
            SubElement(time, "beats").text, SubElement(time, "beat-type").text = map(str, meter)
        if bar == 0:
            if len(self.staves) > 1:
                SubElement(attributes, "staves").text = str(len(self.staves))
            for number, clef in enumerate(self.clefs, start=1):
                clef.add_to(attributes, number if len(self.clefs) > 1 else None)
            for number, staff in enumerate(self.staves, start=1):
                staff.add_transposition_to(attributes, number if len(self.staves) > 1 else None)
        if len(attributes):
            measure.append(attributes)

    def _write_swing(self, measure: Element, swing: Swing) -> None:
        """Write a swing in words, and as a sound."""
        direction = SubElement(measure, "direction", placement="above")
        SubElement(SubElement(direction, "direction-type"), "words").text = "Swing"
        mark = SubElement(SubElement(direction, "sound"), "swing")
        first, second = Fraction(swing.ratio).limit_denominator(100).as_integer_ratio()
        SubElement(mark, "first").text, SubElement(mark, "second").text = str(first), str(second)
        SubElement(mark, "swing-type").text = _SWING_TYPES[swing.unit]

    def _write_tempos(self, measure: Element, bar: int) -> None:
        """Write tempo marks, or sounds alone if there are too many marks."""
        for cell, qpm in self.layout.tempos.get(bar, []):
            is_first = bar == 0 and cell == 0
            if self.layout.hide_tempos and not is_first:
                SubElement(measure, "sound", tempo=f"{qpm:.7g}")
                if cell:
                    SubElement(measure[-1], "offset").text = str(cell)
                continue
            direction = SubElement(measure, "direction", placement="above")
            mark = SubElement(SubElement(direction, "direction-type"), "metronome")
            is_compound = self.layout.time_signatures[bar].is_compound
            SubElement(mark, "beat-unit").text = "quarter"
            if is_compound:
                SubElement(mark, "beat-unit-dot")
            SubElement(mark, "per-minute").text = f"{round(qpm * 2 / 3 if is_compound else qpm):d}"
            if cell:
                SubElement(direction, "offset", sound="yes").text = str(cell)
            SubElement(direction, "sound", tempo=f"{qpm:.7g}")

    # -- one bar ----------------------------------------------------------------------------------

    def _write_measure(self, measure: Element, bar: int) -> None:
        """Write all voices of all staves, each from the start of the bar."""
        grid, time_signature = self.layout.bars.grid, self.layout.time_signatures[bar]
        start, stop = int(grid.cell_offsets[bar]), int(grid.cell_offsets[bar + 1])
        lead = int(grid.lead_steps[bar])
        length = str(stop - start)
        in_bar = (self.onset_cells < stop) & (self.end_cells > start)
        n_voices = 0
        is_first = True
        harmonies = list(self.layout.chords.get(bar, ())) if self.name == "P1" else []
        for staff_number, staff in enumerate(self.staves, start=1):
            indices = np.flatnonzero(in_bar & self._is_on_staff(staff))
            chords = self._chord_spans(indices, start, stop, lead)
            accidentals: dict[tuple[str, int], int] = {}
            # By convention a staff has four voice numbers; if it needs more, the next starts later.
            first_voice = max(4 * (staff_number - 1), n_voices)
            for number, spans in enumerate(split_voices(chords) or [[]], start=1):
                if not is_first:
                    SubElement(SubElement(measure, "backup"), "duration").text = length
                is_first, n_voices = False, first_voice + number
                voice = _StaffVoice(
                    n_voices,
                    staff_number if len(self.staves) > 1 else None,
                    number == 1,
                    staff.octave_change,
                )
                if not spans:
                    _write_harmonies(measure, harmonies, 0, stop - start)
                    rest = SubElement(measure, "note")
                    SubElement(rest, "rest", measure="yes")
                    SubElement(rest, "duration").text = length
                    SubElement(rest, "voice").text = str(voice.voice)
                    voice.add_staff(rest)
                    continue
                complete = with_rests(spans, lead, lead + stop - start)
                for value in to_note_values(complete, time_signature):
                    _write_harmonies(
                        measure, harmonies, value.span.begin - lead, value.span.end - lead
                    )
                    self._write_value(measure, value, voice, accidentals)

    def _chord_spans(self, indices: Ints, start: int, stop: int, lead: int) -> list[ChordSpan]:
        """Return notes grouped by onset and end, sorted by onset and from the highest down."""
        chords: dict[tuple[int, int], list[int]] = {}
        for i in indices.tolist():
            chords.setdefault((int(self.onset_cells[i]), int(self.end_cells[i])), []).append(i)
        found = [
            (
                -max(int(self.notes.pitch[i]) for i in notes),
                ChordSpan(
                    begin=max(begin, start) - start + lead,
                    end=min(end, stop) - start + lead,
                    notes=tuple(sorted(notes, key=lambda i: int(self.notes.pitch[i]))),
                    tie_stop=begin < start,
                    tie_start=end > stop,
                ),
            )
            for (begin, end), notes in chords.items()
        ]
        found.sort(key=lambda pair: (pair[1].begin, pair[0], pair[1].end))
        return [chord for _, chord in found]

    def _write_value(
        self,
        measure: Element,
        value: NoteValue,
        voice: _StaffVoice,
        accidentals: dict[tuple[str, int], int],
    ) -> None:
        """Write the notes of a chord, or a rest; in further voices, rests are skipped."""
        span, has_notes = value.span, bool(value.span.notes)
        length = str(span.end - span.begin)
        if not has_notes and not voice.is_first and not value.is_triplet:
            SubElement(SubElement(measure, "forward"), "duration").text = length
            return
        for index, i in enumerate(span.notes or (None,)):
            note, accidental, notehead = SubElement(measure, "note"), "", ""
            if index:
                SubElement(note, "chord")
            if i is None:
                SubElement(note, "rest")
            else:
                accidental = self._write_pitch(note, i, span, voice.octave_change, accidentals)
                if self.is_drum:
                    notehead = drum_notation(int(self.notes.pitch[i])).notehead
            SubElement(note, "duration").text = length
            if has_notes:
                for tie_type in _tie_types(span):
                    SubElement(note, "tie", type=tie_type)
            if i is not None and self.is_drum:
                SubElement(note, "instrument", id=f"{self.name}-I{int(self.notes.pitch[i])}")
            SubElement(note, "voice").text = str(voice.voice)
            _write_appearance(note, value, accidental, notehead)
            voice.add_staff(note)
            for level, beam in enumerate(value.beams if not index else (), start=1):
                SubElement(note, "beam", number=str(level)).text = beam
            _write_notations(note, value, has_notes=has_notes, is_first=index == 0)

    def _write_pitch(
        self,
        note: Element,
        i: int,
        span: ChordSpan,
        octave_change: int,
        accidentals: dict[tuple[str, int], int],
    ) -> str:
        """Write the pitch or staff position of a note; return its accidental, if it needs one."""
        pitch = int(self.notes.pitch[i])
        note.set("dynamics", f"{int(self.notes.velocity[i]) / 0.9:.2f}")
        if self.is_drum:
            drum = drum_notation(pitch)
            position = SubElement(note, "unpitched")
            SubElement(position, "display-step").text = drum.step
            SubElement(position, "display-octave").text = str(drum.octave)
            return ""
        step, alter, octave, key_alter = spell_pitch(pitch - 12 * octave_change, self.fifths)
        element = SubElement(note, "pitch")
        SubElement(element, "step").text = step
        if alter:
            SubElement(element, "alter").text = str(alter)
        SubElement(element, "octave").text = str(octave)
        if span.tie_stop or accidentals.get((step, octave), key_alter) == alter:
            return ""
        accidentals[step, octave] = alter
        return _ACCIDENTALS[alter]


@dataclass(frozen=True)
class _StaffVoice:
    """Voice and staff number of a note, and whether the voice is the first of its staff.

    `octave_change` is that from written to sounding pitch.
    """

    voice: int
    staff: int | None
    is_first: bool
    octave_change: int = 0

    def add_staff(self, note: Element) -> None:
        """Add the staff number, if there are several staves."""
        if self.staff is not None:
            SubElement(note, "staff").text = str(self.staff)


def _tie_types(span: ChordSpan) -> list[str]:
    """Return the tie types of a chord, stop before start."""
    types = (("stop", span.tie_stop), ("start", span.tie_start))
    return [tie_type for tie_type, is_tied in types if is_tied]


def _write_harmonies(
    measure: Element, harmonies: list[tuple[Fraction, Chord]], begin: int, end: int
) -> None:
    """Write the next chord symbols before a note from cell `begin` to `end`, and take them out."""
    while harmonies and harmonies[0][0] < end:
        cell, chord = harmonies.pop(0)
        measure.append(harmony_element(chord, cell - begin))


def _write_appearance(note: Element, value: NoteValue, accidental: str, notehead: str) -> None:
    """Write type, dots, accidental, tuplet ratio and notehead, in the order of the standard."""
    SubElement(note, "type").text = value.note_type
    for _ in range(value.n_dots):
        SubElement(note, "dot")
    if accidental:
        SubElement(note, "accidental").text = accidental
    if value.is_triplet:
        ratio = SubElement(note, "time-modification")
        SubElement(ratio, "actual-notes").text = "3"
        SubElement(ratio, "normal-notes").text = "2"
    if notehead:
        SubElement(note, "notehead").text = notehead


def _write_notations(note: Element, value: NoteValue, *, has_notes: bool, is_first: bool) -> None:
    """Write ties and the tuplet bracket."""
    notations = Element("notations")
    if has_notes:
        for tie_type in _tie_types(value.span):
            SubElement(notations, "tied", type=tie_type)
    if value.tuplet_bracket and is_first:
        bracket = "no" if value.beams else "yes"
        SubElement(notations, "tuplet", type=value.tuplet_bracket, bracket=bracket)
    if len(notations):
        note.append(notations)
