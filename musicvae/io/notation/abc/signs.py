"""Signs of a voice: repeats and endings at its bar lines, jumps, codas and sections."""

from __future__ import annotations

from musicvae.io.notation.abc.measures import Position
from musicvae.io.notation.score import RepeatSigns


class VoiceSigns:
    """The signs of a voice, by measure, and those that wait for the next note or bar line."""

    def __init__(self) -> None:
        self.by_measure: dict[int, RepeatSigns] = {}
        self.codas: list[Position] = []
        self.jumps: list[tuple[int, str]] = []
        self._sections: list[str] = []
        self._marks: list[str] = []
        self._ending: frozenset[int] = frozenset()
        self._ending_start = self._first_ending_length = 0
        self._repeat_times = 2
        self._has_start = False
        self._double_bars: list[int] = []

    def add_mark(self, name: str) -> None:
        """Add a sign that waits for the next note or bar line: a segno, a coda, a jump."""
        self._marks.append(name)

    def start_section(self, label: str) -> None:
        """Begin a section with the next note."""
        self._sections.append(label)

    @property
    def has_sections(self) -> bool:
        """Whether a section waits for the next note, which begins a measure then."""
        return bool(self._sections)

    def place_before_event(self, position: Position) -> None:
        """Place all signs that wait for a note or rest, which is at `position`."""
        for label in self._sections:
            self._at(position[0]).section = label
        self._sections = []
        self.place_marks(position, position[0])

    def place_marks(self, beginning: Position, end: int) -> None:
        """Place waiting signs: those of a beginning there, jumps at the end of measure `end`."""
        for name in self._marks:
            if name == "segno":
                self._at(beginning[0]).segno = True
            elif name == "coda":
                self.codas.append(beginning)
            else:
                self.jumps.append((end, name))
        self._marks = []

    def close_repeat(self, closed: int, n_end: int) -> None:
        """End a repeat after measure `closed` for `n_end` colons before the bar line."""
        sign = self._at(closed)
        sign.times = max(sign.times, n_end + 1, self._repeat_times)
        self._repeat_times = 2
        self._infer_repeat_start(closed)

    def _infer_repeat_start(self, closed: int) -> None:
        """Let a repeat without a start sign begin after the last double bar line, if there is one.

        One within its ending, or right before it, does not count.
        """
        end = self._ending_start if self._ending else closed + 1
        starts = [index for index in self._double_bars if index < end]
        if starts and not self._has_start and not (self._ending and 1 not in self._ending):
            self._at(starts[-1]).starts_repeat = True
        self._has_start, self._double_bars = False, []

    def begin_after_bar_line(self, index: int, n_end: int, n_start: int, is_heavy: bool) -> None:
        """Begin measure `index` after a bar line with colons before and after it, or a double one.

        It may end an ending, and begin a repeat.
        """
        is_end = bool(n_end or n_start or is_heavy)
        if self._ending:
            count = index - self._ending_start
            is_last = 1 not in self._ending
            if is_end and 1 in self._ending:
                self._first_ending_length = count
            if is_end or (is_last and count >= self._first_ending_length > 0):
                self._ending = frozenset()
                self.mark_ending(index)
        if n_start:
            self._at(index).starts_repeat = self._has_start = True
            self._repeat_times = n_start + 1
        elif is_heavy:
            self._double_bars.append(index)

    def start_ending(self, index: int, passes: frozenset[int]) -> None:
        """Begin an ending with measure `index`."""
        if 1 in passes:
            self._first_ending_length = 0
        self._ending, self._ending_start = passes, index
        self.mark_ending(index)

    def mark_ending(self, index: int) -> None:
        """Mark a measure as one of the ending in force, or of none."""
        if self._ending or index in self.by_measure:
            self._at(index).ending = self._ending

    def finish(self, end: Position) -> None:
        """Place waiting signs at the end of the voice, and there those beyond its last measure."""
        last = end[0]
        self.place_marks(end, last)
        self.codas = [min(coda, (last, 0)) if coda[0] > last else coda for coda in self.codas]
        self.jumps = [(min(index, last), name) for index, name in self.jumps]

    def _at(self, index: int) -> RepeatSigns:
        """Return the signs of a measure."""
        return self.by_measure.setdefault(index, RepeatSigns())
