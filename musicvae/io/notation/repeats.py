"""Playback order of the measures of a score, from its repeats, endings, jumps and sections.

A score is a row of strains. A strain is played as often as its repeat sign or its endings say. It
begins at a start sign, or where the strain before it ends. Jumps are taken when a measure is played
for the last time; after a jump, strains that were played before are played once, with their last
ending, and signs such as *fine* count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from musicvae.io.limits import MAX_SCORE_BARS
from musicvae.io.notation.score import RepeatSigns

_MAX_JUMPS = 100


class RepeatError(Exception):
    """Repeats that cannot be played in order; the message gives the reason."""


def playback_order(
    signs: Sequence[RepeatSigns], section_order: Sequence[str], count: int
) -> list[int]:
    """Return the indices of `count` measures in playback order. Raises `RepeatError`.

    `section_order` are labels of sections. A section ends where the next label begins; its repeats
    are played, jumps are not. Measures before the first label are played first.
    """
    if max(count, sum(len(sign.ending) for sign in signs[:count])) > MAX_SCORE_BARS:
        raise RepeatError(f"more than {MAX_SCORE_BARS} bars")
    signs = [*signs[:count], *(RepeatSigns() for _ in range(count - len(signs)))]
    if section_order:
        return _play_sections(signs, section_order)
    return _Player(signs).play()


# -- sections -------------------------------------------------------------------------------------


def _play_sections(signs: Sequence[RepeatSigns], section_order: Sequence[str]) -> list[int]:
    """Return the measures of sections in the given order."""
    starts = [i for i, sign in enumerate(signs) if sign.section]
    stops = [*starts[1:], len(signs)][: len(starts)]
    sections: dict[str, list[int]] = {}
    n_passes: dict[str, int] = {}
    for start, stop in zip(starts, stops, strict=True):
        label = signs[start].section
        if label in sections:
            raise RepeatError(f"two sections {label[:40]}")
        strains = _split_strains(signs, start, stop)
        sections[label] = [i for strain in strains for i in strain.play_all()]
        n_passes[label] = max(strain.n_passes if strain.endings else 1 for strain in strains)
    order = list(range(starts[0])) if starts else []
    for label, group in groupby(section_order):
        if label not in sections:
            raise RepeatError(f"no section {label[:40]}")
        n_times = sum(1 for _ in group)
        # A section that is played as often as it has endings has a different one each time.
        for _ in range(1 if n_times == n_passes[label] else n_times):
            order += sections[label]
            _check_length(order)
    return order


# -- strains --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Strain:
    """Measures from `start` to before `stop` that are played `n_passes` times.

    `common` are those of all passes, `endings` the others by pass.
    """

    start: int
    stop: int
    n_passes: int
    common: list[int]
    endings: dict[int, list[int]]

    def play(self, number: int) -> list[int]:
        """Return the measures of one pass, counted from 1."""
        return sorted(self.common + self.endings.get(number, []))

    def play_all(self) -> list[int]:
        """Return the measures of all passes. Raises `RepeatError` if they are too many."""
        order: list[int] = []
        for number in range(1, self.n_passes + 1):
            order += self.play(number)
            _check_length(order)
        return order


def _check_length(order: Sequence[int]) -> None:
    """Raise `RepeatError` for an order of too many measures."""
    if len(order) > MAX_SCORE_BARS:
        raise RepeatError(f"more than {MAX_SCORE_BARS} bars")


def _split_strains(signs: Sequence[RepeatSigns], start: int, stop: int) -> list[_Strain]:
    """Return the strains of the measures from `start` to before `stop`."""
    strains = []
    while start < stop:
        end = _find_strain_end(signs, start, stop)
        strains.append(_build_strain(signs, start, end, stop))
        start = end
    return strains


def _find_strain_end(signs: Sequence[RepeatSigns], start: int, stop: int) -> int:
    """Return the index of the measure after the strain that begins at `start`."""
    is_explicit = signs[start].starts_repeat
    passes: set[int] = set()  # of the endings so far
    is_repeated = False
    for i in range(start, stop):
        sign = signs[i]
        following = signs[i + 1] if i + 1 < stop else None
        is_repeated |= sign.times > 0
        passes |= sign.ending
        if following is None or following.starts_repeat:
            return i + 1
        is_last = bool(sign.times) or following.ending != sign.ending
        if sign.ending and is_last:
            if following.ending and passes.isdisjoint(following.ending):
                continue
            if is_repeated or not _is_repeated_later(signs, i + 1, stop):
                return i + 1
        elif sign.times or sign.jump or (following.section and not is_explicit):
            return i + 1
    return stop


def _is_repeated_later(signs: Sequence[RepeatSigns], start: int, stop: int) -> bool:
    """Whether a repeat sign follows before a start sign or another ending."""
    for i in range(start, stop):
        if signs[i].ending or signs[i].starts_repeat:
            return False
        if signs[i].times:
            return True
    return False


def _build_strain(signs: Sequence[RepeatSigns], start: int, stop: int, end: int) -> _Strain:
    """Return a strain of music up to `end`. Raises `RepeatError` for too many passes."""
    endings = [frozenset(p for p in signs[i].ending if p > 0) for i in range(start, stop)]
    if endings[0] and 1 not in endings[0]:  # a later ending of the strain before
        leading = endings[0]
        n_leading = next((i for i, ending in enumerate(endings) if ending != leading), len(endings))
        endings[:n_leading] = [frozenset()] * n_leading
    n_distinct = len(set(endings) - {frozenset()})
    last = max((p for ending in endings for p in ending), default=1)
    times = max(sign.times for sign in signs[start:stop])
    if n_distinct == 1 and not times:  # nothing to go back for
        endings, last = [frozenset()] * len(endings), 1
    elif n_distinct == 1 and endings[-1] and stop < end:
        last += 1  # what follows is the other ending
    n_passes = last if n_distinct > 1 and endings[-1] else max(last, times)
    if n_passes > MAX_SCORE_BARS:
        raise RepeatError(f"a strain is played {n_passes} times")
    by_pass: dict[int, list[int]] = {}
    for i, ending in enumerate(endings, start=start):
        for number in ending:
            by_pass.setdefault(number, []).append(i)
    common = [i for i, ending in enumerate(endings, start=start) if not ending]
    return _Strain(start, stop, n_passes, common, by_pass)


# -- jumps ----------------------------------------------------------------------------------------


class _Player:
    """Plays strains from the first to the last, with jumps."""

    def __init__(self, signs: Sequence[RepeatSigns]) -> None:
        self.signs = signs
        self.strains = _split_strains(signs, 0, len(signs))
        self.codas = [i for i, sign in enumerate(signs) if sign.coda]
        self.exits = {i for i, sign in enumerate(signs) if sign.jump or sign.fine or sign.to_coda}
        # The first of two coda signs may say where to leave.
        self.leave_before = -1
        if len(self.codas) > 1 and not any(sign.to_coda for sign in signs):
            self.leave_before = self.codas[0]
            self.exits.add(self.leave_before)
        self.order: list[int] = []
        self.n_played_strains = 0
        self.taken: set[int] = set()  # measures with the jumps taken
        self.last_jump = -1
        # The sign to look for after a jump: "" for any, None before a jump and after the coda.
        self.until: str | None = None

    def play(self) -> list[int]:
        """Return the measures in playback order. Raises `RepeatError`."""
        position = 0
        while position < len(self.signs):
            position = self._play_from(position)
            if len(self.taken) > _MAX_JUMPS:
                raise RepeatError(f"more than {_MAX_JUMPS} jumps")
        if self.until:
            raise RepeatError(f"no sign {self.until!r} after a jump that needs it")
        return self.order

    def _play_from(self, position: int) -> int:
        """Play up to the next jump and return where it leads, the end if there is none."""
        for number, strain in enumerate(self.strains):
            if strain.stop <= position:
                continue
            is_again = number < self.n_played_strains and not any(
                sign.after_jump for sign in self.signs[strain.start : strain.stop]
            )
            if is_again or position > strain.start:
                measures = [i for i in strain.play(self._final_pass(strain)) if i >= position]
            else:
                measures = strain.play_all()
            self.n_played_strains = max(self.n_played_strains, number + 1)
            last_index = {i: k for k, i in enumerate(measures) if i in self.exits}
            for i, k in sorted(last_index.items(), key=lambda item: item[1]):
                target = self._find_target(i)
                if target is not None:
                    self.order += measures[: k if i == self.leave_before else k + 1]
                    _check_length(self.order)
                    return target
            self.order += measures
            _check_length(self.order)
        return len(self.signs)

    def _final_pass(self, strain: _Strain) -> int:
        """Return the pass that is played after a jump: the last that has the sign looked for."""
        for number in range(strain.n_passes, 0, -1) if self.until is not None else ():
            signs = [self.signs[i] for i in strain.play(number)]
            if self.until != "coda" and any(sign.fine for sign in signs):
                return number
            if self.until != "fine" and any(sign.to_coda for sign in signs):
                return number
        return strain.n_passes

    def _find_target(self, i: int) -> int | None:
        """Return where the music goes on after measure `i`, None if with the next one."""
        sign = self.signs[i]
        if self.until in ("", "coda") and (sign.to_coda or i == self.leave_before):
            after = [coda for coda in self.codas if coda > i]
            if after:
                self.until = None
                return next((coda for coda in after if coda > self.last_jump), after[0])
            if self.until:
                raise RepeatError("no coda sign")
        if sign.fine and self.until in ("", "fine"):
            self.until = None
            return len(self.signs)
        if not sign.jump or i in self.taken:
            return None
        self.taken.add(i)
        self.last_jump, self.until = i, sign.until
        if sign.jump == "da capo":
            return 0
        segnos = [k for k in range(i + 1) if self.signs[k].segno]
        if sign.jump_label:
            named = [k for k in segnos if self.signs[k].segno_label == sign.jump_label]
            segnos = named or segnos
        if not segnos:
            raise RepeatError("dal segno without a segno")
        return segnos[-1]
