"""Measures of one voice: notes with pitch, length and ties."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from musicvae.io.limits import (
    MAX_SCORE_BARS,
    MAX_SCORE_MEASURES,
    MAX_SCORE_NOTE_QUARTERS,
    MAX_SCORE_NOTES,
)
from musicvae.io.notation.abc.fields import Key, Properties
from musicvae.io.notation.abc.measures import (
    START_TIE,
    STOP_TIE,
    TICKS_PER_QUARTER,
    Counts,
    Event,
    Measure,
    Note,
    Position,
    Ticks,
    VoiceSettings,
    WrittenNote,
    meter_ticks,
    scale,
)
from musicvae.io.notation.abc.rhythm import Rhythm
from musicvae.io.notation.abc.signs import VoiceSigns
from musicvae.io.notation.score import (
    TimeSignature,
    check_count,
    check_quarters,
    check_resolution,
)
from musicvae.io.stated_chords import StatedChord
from musicvae.representation.key import MAJOR_SCALE, transpose_fifths

_MAX_EVENT_TICKS = MAX_SCORE_NOTE_QUARTERS * TICKS_PER_QUARTER


class Voice:
    """A voice: its settings, its measures, the signs of its bar lines, and the state of reading.

    The cursor is at `time` ticks in measure `index`, in overlay `layer` (0 without an overlay).
    """

    def __init__(self, name: str, settings: VoiceSettings, counts: Counts) -> None:
        self.id, self.counts = name, counts
        self.settings = replace(
            settings,
            properties=replace(settings.properties),
            drum_map=dict(settings.drum_map),
        )
        self.measures: list[Measure] = []
        self.signs = VoiceSigns()
        self.rhythm = Rhythm()
        self.keys: list[tuple[Position, tuple[int, bool]]] = []
        self.tempo_marks: list[tuple[Position, bool, float]] = []
        self.dynamics: list[tuple[Position, str]] = []
        self.chords: list[tuple[Position, StatedChord]] = []
        self.program_of_notes: int | None = None
        self._last_program = -1
        self._is_measure_rested = False
        self.n_bar_lines = 0
        self.index = -1
        self.time: Ticks = 0
        self.layer = 0
        self._pending_signature = settings.meter
        self._bar_accidentals: dict[int, int] = {}
        self._ties: dict[int, dict[tuple[int, int], tuple[int, Note, int]]] = {}
        self._fork_ties: dict[tuple[int, int], tuple[int, Note, int]] = {}
        self._last: Event | None = None
        self._overlay_start: Position | None = None
        self._chord: StatedChord | None = None  # over the next note or rest
        self._next_measure()
        self._mark_key()

    @property
    def position(self) -> Position:
        """The place of the cursor: the measure and the ticks into it."""
        return self.index, self.time

    # -- settings ---------------------------------------------------------------------------------

    def set_key(self, key: Key) -> None:
        """Change the key from here on; accidentals of the measure end."""
        self.settings.key = key
        self._bar_accidentals = {}
        self._mark_key()

    def set_meter(self, meter: TimeSignature) -> None:
        """Change the meter from the next measure on, or from here, where a measure is complete."""
        old, self.settings.meter = self.settings.meter, meter
        if self.time and old and old[0] and self.time >= meter_ticks(old):
            self.end_measure()
        if self.time:
            self._pending_signature = meter
        else:
            measure = self.measures[self.index]
            measure.time_signature, measure.meter = meter if meter[0] else None, meter

    def set_properties(self, changed: Properties) -> None:
        """Change properties; those that are None stay."""
        properties = self.settings.properties
        for name in ("name", "clef_octave", "is_percussion", "octave", "transpose"):
            if (value := getattr(changed, name)) is not None:
                setattr(properties, name, value)
        self._mark_key()

    def add_tempo(self, qpm: float, *, from_words: bool) -> None:
        """Change the tempo at the cursor; words change none that a number gives there."""
        position, marks = self.position, self.tempo_marks
        if marks and marks[-1][0] == position and (marks[-1][1] or not from_words):
            marks.pop()
        marks.append((position, from_words, qpm))

    def add_chord(self, chord: StatedChord) -> None:
        """State a chord over the next note or rest."""
        self._chord = chord.transpose(self.transposition)

    @property
    def transposition(self) -> int:
        """Semitones from written to sounding pitch."""
        properties = self.settings.properties
        octaves = (properties.clef_octave or 0) + (properties.octave or 0)
        return 12 * octaves + (properties.transpose or 0) + self.settings.transpose

    @property
    def is_drum(self) -> bool:
        """Whether this is a percussion voice."""
        return bool(self.settings.properties.is_percussion) or self.settings.channel == 10

    def _mark_key(self) -> None:
        """Note the key signature in force at the cursor."""
        key = self.settings.key
        fifths, semitones = key.fifths, self.transposition
        mark = (transpose_fifths(fifths, semitones) if semitones % 12 else fifths, key.minor)
        if self.keys and self.keys[-1][0] == self.position:
            self.keys.pop()
        if not self.keys or self.keys[-1][1] != mark:
            self.keys.append((self.position, mark))

    # -- notes and rests --------------------------------------------------------------------------

    def add_notes(self, written: list[WrittenNote], length: tuple[int, int] = (1, 1)) -> None:
        """Add a note or chord; `length` multiplies those of its notes."""
        self._begin_event()
        program = self.settings.program if self.settings.program is not None else -1
        if self.program_of_notes is None:
            self.program_of_notes = self._last_program = program
        elif program != self._last_program:
            self._last_program = program
            self.counts.dropped["changes of instrument within a voice, not played"] += 1
        index, onset = self.position
        unit = self.rhythm.next_length(self.settings.unit, *length)
        ties = self._ties.get(self.layer, {})
        open_ties: dict[tuple[int, int], tuple[int, Note, int]] = {}
        notes, places, length_of_first = [], [], None
        for each in written:
            duration = scale(unit, *each.length)
            length_of_first = duration if length_of_first is None else length_of_first
            place = (each.step, each.octave)
            held = ties.get(place)
            if held and not self._is_adjacent(held[1], held[2]):
                held = None
            accidental = each.accidental
            if held and accidental in (None, held[0]):
                accidental = held[0]
                is_held = True
            else:
                accidental, is_held = self.apply_accidental(*place, accidental), False
            pitch = self._sounding_pitch(each, accidental)
            if pitch is None:
                continue
            note = Note(onset, duration, pitch, STOP_TIE if is_held else 0)
            if each.is_tied:
                note.tie |= START_TIE
                open_ties[place] = (accidental, note, index)
            notes.append(note)
            places.append((*place, accidental))
        # A longer note of a chord may be tied past the next event.
        for place, tie in ties.items():
            if (
                place not in open_ties
                and tie[2] == index
                and tie[1].onset + tie[1].duration > onset
            ):
                open_ties[place] = tie
        self._ties[self.layer] = open_ties
        self.counts.notes += len(notes)
        check_count(self.counts.notes, MAX_SCORE_NOTES, "notes")
        self.measures[index].notes += notes
        self._advance(length_of_first or 0, notes, places)

    def add_rest(self, length: tuple[int, int]) -> None:
        """Add a rest, `length` times the unit note length."""
        self._begin_event()
        self._ties.pop(self.layer, None)
        self._advance(self.rhythm.next_length(self.settings.unit, *length), [], [])

    def add_whole_rests(self, count: int) -> None:
        """Add rests of whole measures, with the bar lines between them."""
        check_count(self.index + count, MAX_SCORE_BARS, "bars")
        self._begin_event()
        self._is_measure_rested = not self.time
        if self.time:
            self.end_measure()
        self._ties.pop(self.layer, None)
        meter = self.settings.meter or (4, 4)
        for number in range(count):
            if number:
                self.end_measure()
            self.measures[self.index].is_rest = True
            self._advance(meter_ticks(meter) or 1, [], [])
        self._last = None
        self.rhythm.end_broken()

    def tie_last(self) -> None:
        """Tie the last note or chord to the next one."""
        if not self._last:
            return
        open_ties = self._ties.setdefault(self.layer, {})
        for note, place in zip(self._last.notes, self._last.places, strict=True):
            note.tie |= START_TIE
            open_ties[place[:2]] = (place[2], note, self._last.index)

    def break_rhythm(self, signs: str) -> None:
        """Lengthen the last event and shorten the next for ``>``, or the reverse for ``<``."""
        before, last = self.rhythm.break_with(signs), self._last
        if not last or (last.index, last.onset + last.duration) != self.position:
            return
        for note in last.notes:
            note.duration = scale(note.duration, *before)
        last.duration = scale(last.duration, *before)
        self.time = last.onset + last.duration

    def apply_accidental(self, step: int, octave: int, accidental: int | None) -> int:
        """Return the accidental of a note, and keep one that is written to the end of the bar."""
        mode = self.settings.propagation
        place = step + 7 * octave if mode == "octave" else step
        if accidental is None:
            if place in self._bar_accidentals:
                return self._bar_accidentals[place]
            return 0 if self.is_drum else self.settings.key.accidentals[step]
        if mode != "not" and not self.is_drum:
            self._bar_accidentals[place] = accidental
        return accidental

    def _sounding_pitch(self, written: WrittenNote, accidental: int) -> int | None:
        """Return the MIDI pitch of a note; None, and counted, if there is none."""
        if self.is_drum and written.drum_pitch is not None:
            return written.drum_pitch
        pitch = 60 + 12 * written.octave + MAJOR_SCALE[written.step] + accidental
        if not self.is_drum:
            pitch += self.transposition
        if 0 <= pitch <= 127:
            return pitch
        self.counts.dropped["notes beyond the range of MIDI dropped"] += 1
        return None

    def _advance(
        self, duration: Ticks, notes: list[Note], places: list[tuple[int, int, int]]
    ) -> None:
        """Move the cursor to the end of an event."""
        if duration > _MAX_EVENT_TICKS:
            check_quarters(Fraction(duration) / TICKS_PER_QUARTER, "a note or rest")
        self._last = Event(notes, places, self.index, self.time, duration)
        self.time += duration
        check_resolution(self.time)

    def _is_adjacent(self, note: Note, index: int) -> bool:
        """Whether a note of measure `index` ends at the cursor."""
        end = note.onset + note.duration
        if index == self.index:
            return end == self.time
        is_next = index == self.index - 1 or (index < self.index and not self.layer)
        return is_next and not self.time and end >= self.measures[index].length

    def _begin_event(self) -> None:
        """Resolve what waits for the next note or rest: sections and signs.

        A rest for the whole measure ends it, though no bar line follows.
        """
        if self._is_measure_rested and self.time and not self.layer:
            self.end_measure()
        self._is_measure_rested = False
        if self.signs.has_sections and self.time:
            self.end_measure()
        self.signs.place_before_event(self.position)
        if self._chord:
            self.chords.append((self.position, self._chord))
            self._chord = None

    # -- overlays ---------------------------------------------------------------------------------

    def start_overlay(self, signs: str) -> None:
        """Go back to the start of the measure (``&``) or of the overlay ``(&``, which begins here.

        ``&)`` ends an overlay of several measures.
        """
        self._close_length()
        if signs == "(&":
            self._overlay_start = self.position
            return
        self._last = None
        self.rhythm.reset()
        self._bar_accidentals = {}
        if signs == "&)":
            if self._overlay_start:
                self._overlay_start, self.layer = None, 0
                self.index = len(self.measures) - 1
                self.time = self.measures[self.index].length
            return
        self.index, self.time = self._overlay_start or (self.index, 0)
        self.layer += 1

    # -- bar lines --------------------------------------------------------------------------------

    def add_bar_line(self, n_end: int, n_start: int, is_heavy: bool) -> None:
        """End the measure; `n_end` and `n_start` are the colons before and after the bar line."""
        self.n_bar_lines += 1
        closed = self.index if self._has_content else self.index - 1
        self.signs.place_marks((closed + 1, 0), closed)
        if n_end and closed >= 0:
            self.signs.close_repeat(closed, n_end)
        self.end_measure(keep_layer=False)
        self.signs.begin_after_bar_line(self.index, n_end, n_start, is_heavy)

    def start_ending(self, passes: frozenset[int]) -> None:
        """Begin an ending that is played in these passes."""
        self.counts.passes += len(passes)
        check_count(self.counts.passes, MAX_SCORE_MEASURES, "passes of endings")
        if self.time:
            self.end_measure()
        if 1 in passes:
            self._fork_ties = self._ties.get(0, {})
        elif self._fork_ties:
            # A tie leads from the measure before the first ending to all endings.
            self._ties[0] = {
                place: tie
                for place, tie in self._fork_ties.items()
                if tie[1].onset + tie[1].duration >= self.measures[tie[2]].length
            }
        self.signs.start_ending(self.index, passes)

    def end_measure(self, *, keep_layer: bool = True) -> None:
        """End the measure, unless it is empty, and begin the next one."""
        self._bar_accidentals = {}
        self._is_measure_rested = False
        if not keep_layer and not self._overlay_start:
            self.layer = 0
        if not self._has_content:
            return
        self._close_length()
        self._next_measure()

    def pad_to(self, index: int) -> None:
        """Add rests up to the start of a measure, which another voice has reached."""
        while self.index < index:
            if not self.time:
                self.add_whole_rests(1)
            self.end_measure(keep_layer=False)

    def finish(self) -> None:
        """End the voice: drop an empty last measure, and place signs at its end."""
        self._close_length()
        if len(self.measures) > 1 and not self.measures[-1].length and not self.measures[-1].notes:
            self.measures.pop()
            self.signs.by_measure.pop(len(self.measures), None)
        last = len(self.measures) - 1
        self.signs.finish((last, self.time if last == self.index else 0))

    def _next_measure(self) -> None:
        """Move the cursor to the start of the next measure, which an overlay may have begun."""
        self.index += 1
        self.time = 0
        if self.index < len(self.measures):
            return
        self.counts.measures += 1
        check_count(self.counts.measures, MAX_SCORE_MEASURES, "measures")
        check_count(self.index, MAX_SCORE_BARS, "bars")
        signature, self._pending_signature = self._pending_signature, None
        is_metric = signature is not None and signature[0] > 0
        time_signature = signature if is_metric else None
        self.measures.append(Measure(time_signature=time_signature, meter=self.settings.meter))
        self.signs.mark_ending(self.index)

    @property
    def _has_content(self) -> bool:
        """Whether the measure at the cursor has notes or rests."""
        return bool(self.time or self.measures[self.index].length)

    def _close_length(self) -> None:
        """Lengthen the measure to the cursor."""
        measure = self.measures[self.index]
        measure.length = max(measure.length, self.time)
