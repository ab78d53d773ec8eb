"""A score as its reader leaves it: plain numbers, measure by measure, without layout.

Each notation (ABC, Humdrum, MusicXML) has one reader that returns a `Score`; `reader.to_song`
makes a song of any of them. Times are exact fractions of a quarter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from musicvae.io.limits import MAX_SCORE_NOTE_QUARTERS, MAX_SCORE_RESOLUTION
from musicvae.io.stated_chords import StatedChord
from musicvae.swing import Swing

MAX_DENOMINATOR, MAX_NUMERATOR = 64, 255  # of a MIDI time signature
_MAX_DIGITS = 9
MIN_QPM, MAX_QPM = 10.0, 500.0  # of a tempo mark; others are left out

ScorePosition = tuple[int, Fraction]
"""Index of a measure, and time inside it in quarters."""
TimeSignature = tuple[int, int]


class UnsupportedScoreError(Exception):
    """Score that cannot be converted to a song; the message gives the reason."""

    hint = "correct the score"


class ScoreLimitError(UnsupportedScoreError):
    """Score with more of something than music has."""

    hint = "leave it out, or cut it into pieces"


class ScoreNote(NamedTuple):
    """A notated note at sounding pitch.

    `onset` counts from the start of its measure, in quarters like `duration`. `tie` is ``""``,
    ``"start"``, ``"stop"`` or ``"continue"``. `velocity` is None unless the note has its own.
    """

    onset: Fraction
    duration: Fraction
    pitch: int
    tie: str = ""
    velocity: int | None = None

    def split(self, bar_line: Fraction) -> tuple[ScoreNote, ScoreNote]:
        """Return the two tied parts of a note over a bar line, the second from the line on."""
        first, second = _SPLIT_TIES[self.tie]
        before = bar_line - self.onset
        return (
            self._replace(duration=before, tie=first),
            self._replace(onset=Fraction(0), duration=self.duration - before, tie=second),
        )


# Ties of a note before and after a bar line within it.
_SPLIT_TIES = {
    "": ("start", "stop"),
    "start": ("start", "continue"),
    "stop": ("continue", "stop"),
    "continue": ("continue", "continue"),
}


def check_resolution(time: int | Fraction) -> None:
    """Raise `UnsupportedScoreError` for a time that no common unit of a score can represent."""
    if time.denominator > MAX_SCORE_RESOLUTION:
        raise UnsupportedScoreError("too many different tuplets")


def check_count(count: int, limit: int, things: str) -> None:
    """Raise `ScoreLimitError` for more `things` (``"bars"``) than a score may have."""
    if count > limit:
        raise ScoreLimitError(f"more than {limit:,} {things}")


def check_quarters(quarters: Fraction, what: str, where: str = "") -> None:
    """Raise `UnsupportedScoreError` for `what` (``"a meter"``) longer than a measure may be."""
    if quarters > MAX_SCORE_NOTE_QUARTERS:
        reason = f"{what} of over {MAX_SCORE_NOTE_QUARTERS:,} quarters"
        raise UnsupportedScoreError(reason + f" ({where})" * bool(where))


def parse_digits(digits: str) -> int:
    """Return the number that digits represent, at most 10^9: `int` takes long for many digits."""
    digits = digits.lstrip("0")
    return int(digits or 0) if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS


@dataclass
class ScorePart:
    """One staff, or one voice, of a score; lists have one entry per measure.

    `program` is the General MIDI program, None if unknown. `group` is shared by the staves of one
    instrument (a piano's), empty for a single staff. `measure_lengths` are in quarters, those of
    notes and rests, 0 for an empty measure. `time_signatures` are those written at the beginning of
    a measure. Marks begin with their position: `tempo_marks` are (position, whether from words,
    QPM), `keys` (position, (fifths, minor)) at sounding pitch, `dynamics` (position, name),
    `chords` (position, chord) at sounding pitch.
    """

    name: str = ""
    program: int | None = None
    is_drum: bool = False
    group: str = ""
    measure_numbers: list[str] = field(default_factory=list)
    measure_lengths: list[Fraction] = field(default_factory=list)
    time_signatures: list[TimeSignature | None] = field(default_factory=list)
    notes: list[list[ScoreNote]] = field(default_factory=list)
    tempo_marks: list[tuple[ScorePosition, bool, float]] = field(default_factory=list)
    keys: list[tuple[ScorePosition, tuple[int, bool]]] = field(default_factory=list)
    dynamics: list[tuple[ScorePosition, str]] = field(default_factory=list)
    chords: list[tuple[ScorePosition, StatedChord]] = field(default_factory=list)

    def add_measure(self, number: str = "", time_signature: TimeSignature | None = None) -> int:
        """Append an empty measure and return its index."""
        self.measure_numbers.append(number)
        self.measure_lengths.append(Fraction(0))
        self.time_signatures.append(time_signature)
        self.notes.append([])
        return len(self.notes) - 1

    def move_marks(self, move: Callable[[ScorePosition], ScorePosition]) -> None:
        """Give all marks the positions that `move` returns for theirs."""
        self.tempo_marks = [(move(at), from_words, qpm) for at, from_words, qpm in self.tempo_marks]
        self.keys = [(move(at), key) for at, key in self.keys]
        self.dynamics = [(move(at), name) for at, name in self.dynamics]
        self.chords = [(move(at), chord) for at, chord in self.chords]


@dataclass
class RepeatSigns:
    """Signs of one measure that say what is played next.

    `starts_repeat` is a sign at its beginning. `times` says how often the section that ends with
    this measure is played, 0 without a sign (a plain ``:|`` is 2). `ending` are the passes in which
    the measure is played, empty for all. `segno` and `coda` mark its beginning. `jump` at its end
    is ``""``, ``"da capo"`` or ``"dal segno"``, `until` where the music goes on or ends after the
    jump: ``""`` (the end), ``"fine"`` or ``"coda"``. `to_coda` and `fine` mark its end. `section`
    is the label of a section that begins with it (`P:A` of ABC, `*>A` of Humdrum). A section with
    `after_jump` is repeated after a jump, too. Where there are several segnos, `segno_label` and
    `jump_label` tell which one a jump goes to.
    """

    starts_repeat: bool = False
    times: int = 0
    ending: frozenset[int] = frozenset()
    segno: bool = False
    coda: bool = False
    jump: str = ""
    until: str = ""
    to_coda: bool = False
    fine: bool = False
    section: str = ""
    after_jump: bool = False
    segno_label: str = ""
    jump_label: str = ""


@dataclass(kw_only=True)
class Score:
    """The parts of a score, their repeat signs by measure, and what was left out.

    `kind` names the format. `signs` are those of all parts together. `section_order` are the labels
    of sections in the order in which they are played, empty if the score gives none.
    `n_grace_notes` counts notes dropped as grace notes. `swing` is that of the whole score.
    """

    kind: str
    parts: list[ScorePart] = field(default_factory=list)
    signs: list[RepeatSigns] = field(default_factory=list)
    section_order: tuple[str, ...] = ()
    n_grace_notes: int = 0
    swing: Swing | None = None
    warnings: list[str] = field(default_factory=list)
