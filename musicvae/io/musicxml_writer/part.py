"""Floor 3: one part of a score, measure after measure."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from numpy.typing import NDArray

from musicvae.io.musicxml_writer.layout import Layout
from musicvae.io.musicxml_writer.note_values import CELLS, Sounding, Written, filled, voices, write
from musicvae.io.musicxml_writer.staves import Clef, Staff, clef_of, spelled, staves_of, unpitched
from musicvae.song import Ints, Part

_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}


class Engraver:
    """Writes one part, bar after bar."""

    def __init__(self, layout: Layout, part: Part, index: int) -> None:
        self.layout, self.is_drum, self.name = layout, part.is_drum, f"P{index + 1}"
        self.notes = layout.bars.notes.take(layout.bars.notes.part == index)
        base, grid = layout.bars.grid.base, layout.bars.grid
        self.begin = base[self.notes.bar] + self.notes.step - grid.lead[self.notes.bar]
        self.end = np.minimum(self.begin + self.notes.duration, base[-1])
        if self.is_drum:
            self.end = self._ringing()
        self.staves = [Staff()] if part.is_drum else staves_of(part, self.notes.pitch)
        self.clefs = [
            Clef("percussion") if part.is_drum else clef_of(self.notes.pitch[self._on(staff)])
            for staff in self.staves
        ]
        self.fifths = 0

    def _on(self, staff: Staff) -> NDArray[np.bool_]:
        """The notes that stand on a staff."""
        return (self.notes.pitch >= staff.low) & (self.notes.pitch < staff.high)

    def _ringing(self) -> Ints:
        """Drums are written until the next stroke, or the end of their beat."""
        grid = self.layout.bars.grid
        strokes = np.unique(self.begin)
        after = np.append(strokes[1:], grid.base[-1])
        following = after[np.searchsorted(strokes, self.begin)]
        inside = self.notes.step % CELLS
        beat_end = self.begin + CELLS - inside
        bar_end = grid.base[self.notes.bar + 1]
        return np.minimum(np.minimum(following, beat_end), bar_end)

    def part(self) -> Element:
        """The part's measures."""
        part = Element("part", id=self.name)
        layout = self.layout
        number = 0 if len(layout.bars) and layout.bars.grid.lead[0] else 1
        for bar in range(len(layout.bars)):
            measure = SubElement(part, "measure", number=str(number + bar))
            if layout.implicit[bar]:
                measure.set("implicit", "yes")
            self._attributes(measure, bar)
            if self.name == "P1":
                self._tempos(measure, bar)
            self._measure(measure, bar)
        if not len(layout.bars):
            SubElement(part, "measure", number="1")
        elif len(part):
            barline = SubElement(part[-1], "barline", location="right")
            SubElement(barline, "bar-style").text = "light-heavy"
        return part

    def _attributes(self, measure: Element, bar: int) -> None:
        layout, found = self.layout, Element("attributes")
        if bar == 0:
            SubElement(found, "divisions").text = str(CELLS)
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
                clef.write(found, nth if len(self.clefs) > 1 else None)
        if len(found):
            measure.append(found)

    def _tempos(self, measure: Element, bar: int) -> None:
        for inside, qpm in self.layout.tempos.get(bar, []):
            first = bar == 0 and inside == 0
            if self.layout.silent_tempos and not first:
                SubElement(measure, "sound", tempo=f"{qpm:.7g}")
                if inside:
                    SubElement(measure[-1], "offset").text = str(inside)
                continue
            direction = SubElement(measure, "direction", placement="above")
            mark = SubElement(SubElement(direction, "direction-type"), "metronome")
            compound = self.layout.pulses[bar].compound
            SubElement(mark, "beat-unit").text = "quarter"
            if compound:
                SubElement(mark, "beat-unit-dot")
            SubElement(mark, "per-minute").text = f"{round(qpm * 2 / 3 if compound else qpm):d}"
            if inside:
                SubElement(direction, "offset", sound="yes").text = str(inside)
            SubElement(direction, "sound", tempo=f"{qpm:.7g}")

    # -- one bar ----------------------------------------------------------------------------------

    def _measure(self, measure: Element, bar: int) -> None:
        """All voices of all staves, each from the beginning of the bar."""
        grid, pulse = self.layout.bars.grid, self.layout.pulses[bar]
        start, stop = int(grid.base[bar]), int(grid.base[bar + 1])
        lead = int(grid.lead[bar])
        here = (self.begin < stop) & (self.end > start)
        first, used = True, 0
        for nth, staff in enumerate(self.staves, start=1):
            mine = np.flatnonzero(here & self._on(staff))
            chords = self._chords(mine, start, stop, lead)
            accidentals: dict[tuple[str, int], int] = {}
            # A staff has four numbers by custom; where it needs more, the next one begins later.
            before = max(4 * (nth - 1), used)
            for voice, notes in enumerate(voices(chords) or [[]], start=1):
                if not first:
                    SubElement(SubElement(measure, "backup"), "duration").text = str(stop - start)
                first, used = False, before + voice
                place = _Place(used, nth if len(self.staves) > 1 else None, voice == 1)
                if not notes:
                    rest = SubElement(measure, "note")
                    SubElement(rest, "rest", measure="yes")
                    SubElement(rest, "duration").text = str(stop - start)
                    SubElement(rest, "voice").text = str(place.voice)
                    place.end(rest)
                for value in (
                    write(filled(notes, lead, lead + stop - start), pulse) if notes else ()
                ):
                    self._value(measure, value, place, accidentals)

    def _chords(self, mine: Ints, start: int, stop: int, lead: int) -> list[Sounding]:
        """Notes that begin and end together, in the order in which voices take them."""
        together: dict[tuple[int, int], list[int]] = {}
        for i in mine.tolist():
            together.setdefault((int(self.begin[i]), int(self.end[i])), []).append(i)
        found = [
            (
                -max(int(self.notes.pitch[i]) for i in each),
                Sounding(
                    begin=max(begin, start) - start + lead,
                    end=min(end, stop) - start + lead,
                    notes=tuple(sorted(each, key=lambda i: int(self.notes.pitch[i]))),
                    held=begin < start,
                    holds=end > stop,
                ),
            )
            for (begin, end), each in together.items()
        ]
        found.sort(key=lambda pair: (pair[1].begin, pair[0], pair[1].end))
        return [chord for _, chord in found]

    def _value(
        self,
        measure: Element,
        value: Written,
        place: _Place,
        accidentals: dict[tuple[str, int], int],
    ) -> None:
        """A rest, which only the first voice shows, or the notes of a chord."""
        sounding, tied = value.sounding, bool(value.sounding.notes)
        length = str(sounding.end - sounding.begin)
        if not tied and not place.first and not value.triplet:
            SubElement(SubElement(measure, "forward"), "duration").text = length
            return
        for nth, i in enumerate(sounding.notes or (None,)):
            note, accidental, head = SubElement(measure, "note"), "", ""
            if nth:
                SubElement(note, "chord")
            if i is None:
                SubElement(note, "rest")
            else:
                accidental = self._pitch(note, i, sounding, accidentals)
                head = unpitched(int(self.notes.pitch[i])).head if self.is_drum else ""
            SubElement(note, "duration").text = length
            for kind, on in (("stop", sounding.held), ("start", sounding.holds)):
                if on and tied:
                    SubElement(note, "tie", type=kind)
            if i is not None and self.is_drum:
                SubElement(note, "instrument", id=f"{self.name}-I{int(self.notes.pitch[i])}")
            SubElement(note, "voice").text = str(place.voice)
            _shape(note, value, accidental, head)
            place.end(note)
            for level, beam in enumerate(value.beams if not nth else (), start=1):
                SubElement(note, "beam", number=str(level)).text = beam
            _notations(note, value, tied=tied, first=nth == 0)

    def _pitch(
        self, note: Element, i: int, sounding: Sounding, accidentals: dict[tuple[str, int], int]
    ) -> str:
        """Pitch or place of a note; returns the accidental that it needs, if any."""
        pitch = int(self.notes.pitch[i])
        note.set("dynamics", f"{int(self.notes.velocity[i]) / 0.9:.2f}")
        if self.is_drum:
            drum = unpitched(pitch)
            where = SubElement(note, "unpitched")
            SubElement(where, "display-step").text = drum.step
            SubElement(where, "display-octave").text = str(drum.octave)
            return ""
        step, alter, octave, usual = spelled(pitch, self.fifths)
        where = SubElement(note, "pitch")
        SubElement(where, "step").text = step
        if alter:
            SubElement(where, "alter").text = str(alter)
        SubElement(where, "octave").text = str(octave)
        if sounding.held or accidentals.get((step, octave), usual) == alter:
            return ""
        accidentals[step, octave] = alter
        return _ACCIDENTALS[alter]


@dataclass(frozen=True)
class _Place:
    """Voice and staff of a note, and whether it is the staff's first voice."""

    voice: int
    staff: int | None
    first: bool

    def end(self, note: Element) -> None:
        """Add the staff, if there are several."""
        if self.staff is not None:
            SubElement(note, "staff").text = str(self.staff)


def _shape(note: Element, value: Written, accidental: str, head: str) -> None:
    """How a value looks, in the order of the standard."""
    SubElement(note, "type").text = value.type
    for _ in range(value.dots):
        SubElement(note, "dot")
    if accidental:
        SubElement(note, "accidental").text = accidental
    if value.triplet:
        ratio = SubElement(note, "time-modification")
        SubElement(ratio, "actual-notes").text = "3"
        SubElement(ratio, "normal-notes").text = "2"
    if head:
        SubElement(note, "notehead").text = head


def _notations(note: Element, value: Written, *, tied: bool, first: bool) -> None:
    """Ties and the bracket of a triplet."""
    found, sounding = Element("notations"), value.sounding
    for kind, on in (("stop", sounding.held), ("start", sounding.holds)):
        if on and tied:
            SubElement(found, "tied", type=kind)
    if value.edge and first:
        SubElement(found, "tuplet", type=value.edge, bracket="no" if value.beams else "yes")
    if len(found):
        note.append(found)
