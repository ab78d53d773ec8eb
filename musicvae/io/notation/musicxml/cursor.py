"""The place in a part of MusicXML: its measures, the position in one, and how far staves reach.

A position in a measure is counted in divisions, as the file gives it; lengths in quarters are
looked up, since few different ones occur in a part.
"""

from __future__ import annotations

from fractions import Fraction
from xml.etree.ElementTree import Element

from musicvae.errors import printable
from musicvae.io.limits import MAX_SCORE_NOTE_QUARTERS, MAX_SCORE_PARTS
from musicvae.io.notation.musicxml.attributes import Attributes
from musicvae.io.notation.musicxml.numbers import Number, parse_int, parse_number, simplify
from musicvae.io.notation.score import (
    ScorePosition,
    UnsupportedScoreError,
    check_quarters,
    check_resolution,
)

WHOLE_REST_QUARTERS = 4
_MAX_NUMBER_CHARACTERS = 12


class Cursor:
    """The place where a part is read: `position` divisions into measure `index`.

    Its results: `measure_numbers`, and `lengths` of measures in quarters by staff.
    """

    def __init__(self, attributes: Attributes) -> None:
        self.attributes = attributes
        self.measure_numbers: list[str] = []
        self.lengths: dict[int, dict[int, Fraction]] = {}
        self.durations: dict[str, Number] = {}  # in divisions, by their texts
        self._quarters: dict[Number, Fraction] = {}
        self._staves: dict[str, int] = {}
        # Of the current measure, by text of the staff.
        self.index = 0
        self.position: Number = 0
        self.chord_onset: Number = 0
        self._reach: dict[str, Number] = {}
        self.sounding: set[str] = set()
        self._forward_reach: Number = 0
        self._n_rests: dict[str, int] = {}
        self._full_rests: dict[str, Number] = {}
        self._is_measure_rest: dict[str, bool] = {}

    def begin_measure(self, measure: Element, index: int) -> None:
        """Begin a measure at position 0."""
        number = printable(measure.get("number", "").strip()[:_MAX_NUMBER_CHARACTERS])
        self.measure_numbers.append(number or str(index + 1))
        self.index, self.position, self.chord_onset, self._forward_reach = index, 0, 0, 0
        self._reach, self._n_rests, self._full_rests = {}, {}, {}
        self.sounding = set()

    def end_measure(self, *, is_implicit: bool) -> None:
        """Record the length of the measure on each staff; staves with notes end together."""
        for staff, end in self._full_rests.items():
            end = self._full_rest_end(staff, end, is_implicit=is_implicit)
            self._reach[staff] = max(self._reach.get(staff, 0), end)
        if not self._reach:
            self._reach = {"1": 0}
        forward_end = self._forward_reach
        if self.attributes.nominal_quarters is not None:  # beyond it, only notes and rests count
            nominal = simplify(self.attributes.nominal_quarters * self.attributes.divisions)
            forward_end = min(forward_end, nominal)
        sounding_end = max([forward_end, *(self._reach[staff] for staff in self.sounding)])
        for staff, end in self._reach.items():
            if staff in self.sounding:
                end = sounding_end
            elif not self.sounding:
                end = max(end, forward_end)
            length = self.to_quarters(end)
            check_quarters(length, "a measure", self._where())
            lengths = self.lengths.setdefault(self.staff_number(staff), {})
            before = lengths.get(self.index)
            lengths[self.index] = length if before is None else max(length, before)

    def shorten_last_measure(self) -> None:
        """End the last measure with its notes if it is the complement of a pickup.

        Some programs fill such a measure with a `forward`, which is silent like a rest.
        """
        notes_end = self.to_quarters(max(self._reach.values(), default=0))
        for lengths in self.lengths.values():
            is_complement = lengths.get(0, 0) + notes_end == self.attributes.nominal_quarters
            if self.index and is_complement and lengths.get(self.index, 0) > notes_end > 0:
                lengths[self.index] = notes_end

    def _full_rest_end(self, staff: str, end: Number, *, is_implicit: bool) -> Number:
        """Return the end of a rest that may stand for a whole measure of any meter.

        A whole rest that is alone does. One that is said to be a measure's may be shorter than the
        meter, where parts have different ones.
        """
        nominal = self.attributes.nominal_quarters
        if nominal is None or is_implicit:
            return end
        full = simplify(nominal * self.attributes.divisions)
        is_alone = self._n_rests[staff] == 1 and staff not in self.sounding
        if self._is_measure_rest[staff] or not is_alone:
            return min(end, full)
        is_whole_rest = end == WHOLE_REST_QUARTERS * self.attributes.divisions
        return full if is_whole_rest else end

    def move_back(self, element: Element) -> None:
        """Move back by a `backup` element, no further than to the beginning of the measure."""
        self.position = max(self.position - self._movement(element), 0)

    def move_forward(self, element: Element) -> None:
        """Move forward by a `forward` element; the measure reaches at least so far."""
        self.position += self._movement(element)
        check_resolution(self.position)
        self._forward_reach = max(self._forward_reach, self.position)

    def _movement(self, element: Element) -> Number:
        """Return the duration of a `backup` or `forward` element, 0 if it has none."""
        text = element.findtext("duration")
        if text is None:
            return 0
        return self.durations.get(text) or self.parse_duration(text)

    def rescale(self, ratio: Fraction) -> None:
        """Multiply the positions of this measure, whose divisions have changed."""
        self.position = simplify(self.position * ratio)
        check_resolution(self.position)
        self.chord_onset = simplify(self.chord_onset * ratio)
        self._forward_reach = simplify(self._forward_reach * ratio)
        for ends in (self._reach, self._full_rests):
            ends.update({staff: simplify(end * ratio) for staff, end in ends.items()})
        self._quarters.clear()

    def add_rest(
        self, tags: dict[str, Element], staff: str, end: Number, *, is_first: bool
    ) -> None:
        """Add a rest or cue note; a rest that may stand for a whole measure is kept apart."""
        self._n_rests[staff] = self._n_rests.get(staff, 0) + 1
        rest = tags.get("rest")
        if rest is not None and is_first and staff not in self._full_rests:
            kind = tags.get("type")
            is_whole = kind is None or (kind.text or "").strip() == "whole"
            is_measure_rest = rest.get("measure") == "yes"
            if is_whole or is_measure_rest:
                self._full_rests[staff], self._is_measure_rest[staff] = end, is_measure_rest
                return
        self.extend(staff, end)

    def extend(self, staff: str, end: Number) -> None:
        """Let the measure reach at least to a position on a staff."""
        if end > self._reach.get(staff, 0):
            self._reach[staff] = end

    def place(self, offset: Number = 0) -> ScorePosition:
        """Return the measure and the quarters into it at an offset in divisions from here."""
        position = self.position
        if offset:
            position = max(position + offset, 0)
            if position > MAX_SCORE_NOTE_QUARTERS * self.attributes.divisions:
                position = self.position
        return self.index, self.to_quarters(position)

    def parse_duration(self, text: str) -> Number:
        """Return a duration in divisions. Raises `UnsupportedScoreError` if it is invalid."""
        duration = parse_number(text)
        if duration is None or duration < 0:
            raise self.invalid("duration", text)
        check_quarters(self.to_quarters(duration), "a note", self._where())
        self.durations[text] = duration
        return duration

    def staff_number(self, text: str) -> int:
        """Return the staff that a text gives, 1 if it is invalid."""
        staff = self._staves.get(text)
        if staff is None:
            number = parse_int(text)
            staff = number if number is not None and 0 < number <= MAX_SCORE_PARTS else 1
            self._staves[text] = staff
        return staff

    def to_quarters(self, number: Number) -> Fraction:
        """Return a number of divisions in quarters."""
        quarters = self._quarters.get(number)
        if quarters is None:
            quarters = self._quarters[number] = Fraction(number) / self.attributes.divisions
        return quarters

    def invalid(self, what: str, text: str) -> UnsupportedScoreError:
        """Return the error of an invalid text."""
        shown = printable(" ".join(text.split()))[:20]
        return UnsupportedScoreError(f"invalid {what} '{shown}' ({self._where()})")

    def _where(self) -> str:
        """Name the current measure."""
        return f"measure {self.measure_numbers[-1]}"
