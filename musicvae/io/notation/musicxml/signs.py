"""Repeat signs and swing marks, collected from the bar lines and directions of all parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from xml.etree.ElementTree import Element

from musicvae.io.notation.musicxml.directions import Jumps
from musicvae.io.notation.musicxml.numbers import parse_int
from musicvae.io.notation.score import RepeatSigns, ScoreNote, ScorePart, ScorePosition
from musicvae.io.notation.swing_marks import SwingMark

_MAX_PASSES = 100  # of a repeated section; more are an error or an attack
_PASSES = re.compile(r"(\d{1,3})(?:\s*[-\u2013]\s*(\d{1,3}))?")


class SignCollector:
    """Repeat signs by measure, and swing marks; a sign that several parts have counts once."""

    def __init__(self) -> None:
        self.signs: list[RepeatSigns] = []
        self.swing_marks: list[SwingMark] = []
        self._coda_symbols: set[int] = set()
        self._open_jumps: set[int] = set()
        self._splits: dict[int, dict[Fraction, set[str]]] = {}
        self._ending: tuple[int, frozenset[int]] | None = None
        self._last_ending: tuple[int, frozenset[int]] = (-2, frozenset())

    def at(self, index: int) -> RepeatSigns:
        """Return the signs of a measure."""
        while len(self.signs) <= index:
            self.signs.append(RepeatSigns())
        return self.signs[index]

    # -- bar lines --------------------------------------------------------------------------------

    def add_barline(self, index: int, position: Fraction, barline: Element) -> None:
        """Add a bar line of a measure, at a position in quarters if it is in the middle."""
        location = barline.get("location", "right")
        for child in barline:
            if child.tag == "repeat":
                self._add_repeat(index, position, location, child)
            elif child.tag == "ending":
                self._add_ending(index, child)
        if barline.get("segno") is not None:
            self.at(index).segno = True
        if barline.get("coda") is not None:
            self.at(index).coda = True

    def _add_repeat(self, index: int, position: Fraction, location: str, repeat: Element) -> None:
        """Add a repeat sign; one in the middle of a measure will split it."""
        is_forward = repeat.get("direction") == "forward"
        if location == "middle" and position > 0:
            directions = self._splits.setdefault(index, {}).setdefault(position, set())
            directions.add("forward" if is_forward else "backward")
        elif is_forward:
            self.at(index + (location == "right")).starts_repeat = True
        else:
            measure = index - (location == "left")
            if measure >= 0:
                times = parse_int(repeat.get("times")) or 2
                signs = self.at(measure)
                signs.times = max(signs.times, min(max(times, 2), _MAX_PASSES))
                signs.after_jump |= repeat.get("after-jump") == "yes"
            if self._ending and location == "right":
                self._close_ending(index)

    def _add_ending(self, index: int, ending: Element) -> None:
        """Add the start or the end of an ending."""
        if ending.get("type") == "start":
            if self._ending and self._ending[0] < index:
                self._close_ending(index - 1)
            self._ending = index, self._read_passes(index, ending)
        elif self._ending:
            self._close_ending(index)

    def _read_passes(self, index: int, ending: Element) -> frozenset[int]:
        """Return the passes of an ending, by default those that follow the ending before."""
        passes: set[int] = set()
        for text in (ending.get("number"), ending.text):
            for match in _PASSES.finditer((text or "")[:200]):
                first, last = int(match[1]), int(match[2] or match[1])
                passes.update(range(max(first, 1), min(last, _MAX_PASSES) + 1))
            if passes:
                return frozenset(passes)
        last_index, last_passes = self._last_ending
        return frozenset((max(last_passes) + 1 if last_index == index - 1 else 1,))

    def _close_ending(self, last: int) -> None:
        """Assign the passes of the open ending to its measures."""
        if self._ending is None:
            return
        first, passes = self._ending
        for i in range(first, last + 1):
            self.at(i).ending |= passes
        self._ending, self._last_ending = None, (last, passes)

    def end_part(self) -> None:
        """End a part; an ending that is not closed has one measure."""
        if self._ending:
            self._close_ending(self._ending[0])
        self._last_ending = -2, frozenset()

    # -- jumps ------------------------------------------------------------------------------------

    def add_jumps(self, index: int, jumps: Jumps) -> None:
        """Add the signs of a direction to a measure."""
        signs = self.at(index)
        signs.starts_repeat |= jumps.starts_repeat
        signs.segno |= jumps.segno
        signs.coda |= jumps.coda
        signs.to_coda |= jumps.to_coda
        signs.fine |= jumps.fine
        signs.segno_label = signs.segno_label or jumps.segno_label
        signs.jump_label = signs.jump_label or jumps.jump_label
        if jumps.has_coda_symbol:
            self._coda_symbols.add(index)
        if jumps.jump:
            signs.jump = signs.jump or jumps.jump
            if jumps.until is not None:
                signs.until = jumps.until
            self._open_jumps.add(index)

    # -- the whole score --------------------------------------------------------------------------

    def resolve(self, parts: Sequence[ScorePart]) -> list[RepeatSigns]:
        """Return the signs of all measures; measures with repeats in the middle are split."""
        n_measures = max((len(part.notes) for part in parts), default=0)
        self.at(max(n_measures - 1, 0))
        del self.signs[n_measures:]
        self._resolve_codas()
        self._resolve_labels()
        has_coda = any(signs.to_coda for signs in self.signs)
        has_fine = any(signs.fine for signs in self.signs)
        for index in self._open_jumps:
            if index < n_measures and not self.signs[index].until:
                self.signs[index].until = "coda" if has_coda else "fine" if has_fine else ""
        for signs in self.signs:
            if signs.times and signs.ending:
                signs.times = max(signs.times, min(max(signs.ending) + 1, _MAX_PASSES))
        self._split_measures(parts)
        return self.signs

    def _resolve_labels(self) -> None:
        """Leave labels out that do not tell one of several segnos."""
        labels = [signs.segno_label for signs in self.signs if signs.segno]
        is_distinct = len(labels) > 1 and len(set(labels)) == len(labels)
        for signs in self.signs:
            if not is_distinct:
                signs.segno_label = ""
            if not is_distinct or signs.jump_label not in labels or signs.jump != "dal segno":
                signs.jump_label = ""

    def _resolve_codas(self) -> None:
        """Tell coda signs that mark the coda from those that mark the jump to it.

        Of two signs, the first is where the jump begins.
        """
        symbols = sorted(i for i in self._coda_symbols if i < len(self.signs))
        has_jump_place = any(signs.to_coda for signs in self.signs)
        codas = [i for i, signs in enumerate(self.signs) if signs.coda]
        is_pair = len(set(symbols) | set(codas)) > 1
        if (
            symbols
            and is_pair
            and not has_jump_place
            and symbols[0] <= min(codas, default=symbols[0])
        ):
            self.signs[symbols.pop(0)].to_coda = True
        for i in symbols:
            self.signs[i].coda |= not self.signs[i].to_coda

    def _split_measures(self, parts: Sequence[ScorePart]) -> None:
        """Split measures at their repeat signs in the middle."""
        for index in sorted(self._splits, reverse=True):
            if index >= len(self.signs):
                continue  # of a part that has no such measure
            lengths = [part.measure_lengths[index] for part in parts if index < len(part.notes)]
            length = max(lengths)
            for position, directions in sorted(self._splits[index].items(), reverse=True):
                after = index + 1
                if position < length:
                    for part in parts:
                        if index < len(part.notes):
                            _split_part(part, index, position)
                    before, rest = _split_signs(self.signs[index])
                    self.signs[index : index + 1] = [before, rest]
                    length = position
                if "backward" in directions:
                    self.signs[index].times = max(self.signs[index].times, 2)
                if "forward" in directions:
                    self.at(after).starts_repeat = True


def _split_signs(signs: RepeatSigns) -> tuple[RepeatSigns, RepeatSigns]:
    """Return the signs of the two parts of a split measure."""
    before = RepeatSigns(
        starts_repeat=signs.starts_repeat,
        ending=signs.ending,
        segno=signs.segno,
        coda=signs.coda,
        section=signs.section,
        segno_label=signs.segno_label,
    )
    rest = replace(signs, starts_repeat=False, segno=False, coda=False, section="", segno_label="")
    return before, rest


def _split_part(part: ScorePart, index: int, position: Fraction) -> None:
    """Split a measure of a part in place; notes across the split are tied."""
    before: list[ScoreNote] = []
    after: list[ScoreNote] = []
    for note in part.notes[index]:
        end = note.onset + note.duration
        if note.onset >= position:
            after.append(note._replace(onset=note.onset - position))
        elif end <= position:
            before.append(note)
        else:
            first, second = note.split(position)
            before.append(first)
            after.append(second)
    part.notes[index : index + 1] = [before, after]
    length = part.measure_lengths[index]
    part.measure_lengths[index : index + 1] = [
        min(length, position),
        max(length - position, Fraction(0)),
    ]
    part.measure_numbers.insert(index + 1, part.measure_numbers[index])
    part.time_signatures.insert(index + 1, None)
    part.move_marks(lambda place: _shift(place, index, position))


def _shift(place: ScorePosition, index: int, position: Fraction) -> ScorePosition:
    """Return a position after the measure `index` was split."""
    if place[0] > index:
        return place[0] + 1, place[1]
    if place[0] == index and place[1] >= position:
        return index + 1, place[1] - position
    return place
