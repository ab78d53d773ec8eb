"""Floor 3: one part of a score, measure after measure."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Ints
from musicvae.io.musicxml_writer.layout import ScoreLayout
from musicvae.io.musicxml_writer.note_values import CELLS_PER_QUARTER, ChordSpan, NoteValue, with_rests, split_voices, to_note_values
from musicvae.io.musicxml_writer.staves import Clef, Staff, choose_clef, spell_pitch, choose_staves, drum_notation
from musicvae.song import Part

_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}


class PartWriter:
    """Writes one part, bar after bar."""

    def __init__(self, layout: ScoreLayout, part: Part, index: int) -> None:
        self.layout, self.is_drum, self.name = layout, part.is_drum, f"P{index + 1}"
        self.notes = layout.bars.notes.select(layout.bars.notes.part == index)
        base, grid = layout.bars.grid.cell_offsets, layout.bars.grid
        self.onset_cells = base[self.notes.bar] + self.notes.step - grid.lead_steps[self.notes.bar]
        self.end_cells = np.minimum(self.onset_cells + self.notes.duration, base[-1])
        if self.is_drum:
            self.end_cells = self._drum_end_cells()
        self.staves = [Staff()] if part.is_drum else choose_staves(part, self.notes.pitch)
        self.clefs = [
            Clef("percussion") if part.is_drum else choose_clef(self.notes.pitch[self._is_on_staff(staff)])
            for staff in self.staves
        ]
        self.fifths = 0

    def _is_on_staff(self, staff: Staff) -> NDArray[np.bool_]:
        """The notes that stand on a staff."""
        return (self.notes.pitch >= staff.min_pitch) & (self.notes.pitch < staff.stop_pitch)

    def _drum_end_cells(self) -> Ints:
        """Drums are written until the next stroke, or the end of their beat."""
        grid = self.layout.bars.grid
        strokes = np.unique(self.onset_cells)
        after = np.append(strokes[1:], grid.cell_offsets[-1])
        following = after[np.searchsorted(strokes, self.onset_cells)]
        inside = self.notes.step % CELLS_PER_QUARTER
        beat_end = self.onset_cells + CELLS_PER_QUARTER - inside
        bar_end = grid.cell_offsets[self.notes.bar + 1]
        return np.minimum(np.minimum(following, beat_end), bar_end)

    def to_element(self) -> Element:
        """The part's measures."""
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
            self._write_measure(measure, bar)
        if not len(layout.bars):
            SubElement(part, "measure", number="1")
        elif len(part):
            barline = SubElement(part[-1], "barline", location="right")
            SubElement(barline, "bar-style").text = "light-heavy"
        return part

    def _write_attributes(self, measure: Element, bar: int) -> None:
        layout, found = self.layout, Element("attributes")
        if bar == 0:
            SubElement(found, "divisions").text = str(CELLS_PER_QUARTER)
        if bar in layout.keys:
            self.fifths = layout.keys[bar]
            SubElement(SubElement(found, "key"), "fifths").text = str(
                0 if self.is_drum else self.fifths
            )
        if meter := layout.meters[bar]:
            time = SubElement(found, "time")
            SubElement(time, "beats").text, SubElement(time, "beat-type").text = map(str, meter)
        if bar == 0:
            if len(self.staves) > 1:
                SubElement(found, "staves").text = str(len(self.staves))
            for nth, clef in enumerate(self.clefs, start=1):
                clef.add_to(found, nth if len(self.clefs) > 1 else None)
        if len(found):
            measure.append(found)

    def _write_tempos(self, measure: Element, bar: int) -> None:
        for inside, qpm in self.layout.tempos.get(bar, []):
            first = bar == 0 and inside == 0
            if self.layout.hide_tempos and not first:
                SubElement(measure, "sound", tempo=f"{qpm:.7g}")
                if inside:
                    SubElement(measure[-1], "offset").text = str(inside)
                continue
            direction = SubElement(measure, "direction", placement="above")
            mark = SubElement(SubElement(direction, "direction-type"), "metronome")
            compound = self.layout.time_signatures[bar].is_compound
            SubElement(mark, "beat-unit").text = "quarter"
            if compound:
                SubElement(mark, "beat-unit-dot")
            SubElement(mark, "per-minute").text = f"{round(qpm * 2 / 3 if compound else qpm):d}"
            if inside:
                SubElement(direction, "offset", sound="yes").text = str(inside)
            SubElement(direction, "sound", tempo=f"{qpm:.7g}")

    # -- one bar ----------------------------------------------------------------------------------

    def _write_measure(self, measure: Element, bar: int) -> None:
        """All voices of all staves, each from the beginning of the bar."""
        grid, pulse = self.layout.bars.grid, self.layout.time_signatures[bar]
        start, stop = int(grid.cell_offsets[bar]), int(grid.cell_offsets[bar + 1])
        lead = int(grid.lead_steps[bar])
        here = (self.onset_cells < stop) & (self.end_cells > start)
        first, used = True, 0
        for nth, staff in enumerate(self.staves, start=1):
            mine = np.flatnonzero(here & self._is_on_staff(staff))
            chords = self._chord_spans(mine, start, stop, lead)
            accidentals: dict[tuple[str, int], int] = {}
            # A staff has four numbers by custom; where it needs more, the next one begins later.
            before = max(4 * (nth - 1), used)
            for voice, notes in enumerate(split_voices(chords) or [[]], start=1):
                if not first:
                    SubElement(SubElement(measure, "backup"), "duration").text = str(stop - start)
                first, used = False, before + voice
                place = _StaffVoice(used, nth if len(self.staves) > 1 else None, voice == 1)
                if not notes:
                    rest = SubElement(measure, "note")
                    SubElement(rest, "rest", measure="yes")
                    SubElement(rest, "duration").text = str(stop - start)
                    SubElement(rest, "voice").text = str(place.voice)
                    place.add_staff(rest)
                for value in (
                    to_note_values(with_rests(notes, lead, lead + stop - start), pulse) if notes else ()
                ):
                    self._write_value(measure, value, place, accidentals)

    def _chord_spans(self, indices: Ints, start: int, stop: int, lead: int) -> list[ChordSpan]:
        """Notes that begin and end together, in the order in which voices take them."""
        together: dict[tuple[int, int], list[int]] = {}
        for i in indices.tolist():
            together.setdefault((int(self.onset_cells[i]), int(self.end_cells[i])), []).append(i)
        found = [
            (
                -max(int(self.notes.pitch[i]) for i in each),
                ChordSpan(
                    begin=max(begin, start) - start + lead,
                    end=min(end, stop) - start + lead,
                    notes=tuple(sorted(each, key=lambda i: int(self.notes.pitch[i]))),
                    tie_stop=begin < start,
                    tie_start=end > stop,
                ),
            )
            for (begin, end), each in together.items()
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
        """A rest, which only the first voice shows, or the notes of a chord."""
        sounding, tied = value.span, bool(value.span.notes)
        length = str(sounding.end - sounding.begin)
        if not tied and not voice.is_first and not value.is_triplet:
            SubElement(SubElement(measure, "forward"), "duration").text = length
            return
        for nth, i in enumerate(sounding.notes or (None,)):
            note, accidental, head = SubElement(measure, "note"), "", ""
            if nth:
                SubElement(note, "chord")
            if i is None:
                SubElement(note, "rest")
            else:
                accidental = self._write_pitch(note, i, sounding, accidentals)
                head = drum_notation(int(self.notes.pitch[i])).notehead if self.is_drum else ""
            SubElement(note, "duration").text = length
            for kind, on in (("stop", sounding.tie_stop), ("start", sounding.tie_start)):
                if on and tied:
                    SubElement(note, "tie", type=kind)
            if i is not None and self.is_drum:
                SubElement(note, "instrument", id=f"{self.name}-I{int(self.notes.pitch[i])}")
            SubElement(note, "voice").text = str(voice.voice)
            _write_appearance(note, value, accidental, head)
            voice.add_staff(note)
            for level, beam in enumerate(value.beams if not nth else (), start=1):
                SubElement(note, "beam", number=str(level)).text = beam
            _write_notations(note, value, is_note=tied, first=nth == 0)

    def _write_pitch(
        self, note: Element, i: int, span: ChordSpan, accidentals: dict[tuple[str, int], int]
    ) -> str:
        """Pitch or place of a note; returns the accidental that it needs, if any."""
        pitch = int(self.notes.pitch[i])
        note.set("dynamics", f"{int(self.notes.velocity[i]) / 0.9:.2f}")
        if self.is_drum:
            drum = drum_notation(pitch)
            where = SubElement(note, "unpitched")
            SubElement(where, "display-step").text = drum.step
            SubElement(where, "display-octave").text = str(drum.octave)
            return ""
        step, alter, octave, usual = spell_pitch(pitch, self.fifths)
        where = SubElement(note, "pitch")
        SubElement(where, "step").text = step
        if alter:
            SubElement(where, "alter").text = str(alter)
        SubElement(where, "octave").text = str(octave)
        if span.tie_stop or accidentals.get((step, octave), usual) == alter:
            return ""
        accidentals[step, octave] = alter
        return _ACCIDENTALS[alter]


@dataclass(frozen=True)
class _StaffVoice:
    """Voice and staff of a note, and whether it is the staff's first voice."""

    voice: int
    staff: int | None
    is_first: bool

    def add_staff(self, note: Element) -> None:
        """Add the staff, if there are several."""
        if self.staff is not None:
            SubElement(note, "staff").text = str(self.staff)


def _write_appearance(note: Element, value: NoteValue, accidental: str, notehead: str) -> None:
    """How a value looks, in the order of the standard."""
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


def _write_notations(note: Element, value: NoteValue, *, is_note: bool, first: bool) -> None:
    """Ties and the bracket of a triplet."""
    found, sounding = Element("notations"), value.span
    for kind, on in (("stop", sounding.tie_stop), ("start", sounding.tie_start)):
        if on and is_note:
            SubElement(found, "tied", type=kind)
    if value.tuplet_bracket and first:
        SubElement(found, "tuplet", type=value.tuplet_bracket, bracket="no" if value.beams else "yes")
    if len(found):
        note.append(found)
