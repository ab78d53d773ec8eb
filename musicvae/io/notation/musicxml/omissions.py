"""Counts of what a reader of MusicXML left out, changed or guessed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Omissions:
    """Numbers of notes and signs that are not played as written."""

    n_grace_notes: int = 0
    n_cue_notes: int = 0
    n_unmapped_drums: int = 0
    n_invalid_meters: int = 0
    n_invalid_keys: int = 0
    n_microtones: int = 0
    n_outside_midi: int = 0
    n_without_duration: int = 0
    n_tremolos: int = 0
    n_swing_marks: int = 0
    n_slash_measures: int = 0
    n_beat_repeats: int = 0
    n_unfilled_repeats: int = 0
    n_unreadable_chords: int = 0

    def warnings(self) -> list[str]:
        """Return one line for each kind, without grace notes."""
        counts = (
            (self.n_cue_notes, "cue notes dropped"),
            (self.n_unmapped_drums, "drum notes without a known MIDI key, read as snare"),
            (self.n_invalid_meters, "invalid time signatures dropped"),
            (self.n_invalid_keys, "key signatures other than of the circle of fifths, dropped"),
            (self.n_microtones, "quarter tones, rounded up to semitones"),
            (self.n_outside_midi, "notes outside the range of MIDI, moved by octaves"),
            (self.n_without_duration, "notes without a duration, dropped"),
            (self.n_tremolos, "notes with a tremolo, held"),
            (self.n_swing_marks, "swing marks, played straight"),
            (self.n_slash_measures, "slash notation, played as its notes are written"),
            (self.n_beat_repeats, "beat repeat signs, not played"),
            (self.n_unfilled_repeats, "measure repeat signs without measures before, not played"),
            (self.n_unreadable_chords, "chord symbols without a known root or kind, left out"),
        )
        return [f"{text}: {count}" for count, text in counts if count]
