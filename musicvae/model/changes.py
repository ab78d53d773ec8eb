"""Floor 8: what to change in a song: notes that are improbable, and what is far more probable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicvae.belief import Belief
from musicvae.song import Ints

_NEAR = 2  # cells by which an onset may have been missed


@dataclass(frozen=True, kw_only=True)
class Change:
    """One note that is improbable where it is, or that is missing. Cells are open cells.

    `before` is where it is heard, `after` where it should be, each (cell, pitch) or none.
    """

    part: int
    slot: int
    before: tuple[int, int] | None
    after: tuple[int, int] | None
    heard: float
    """How probable it is that the note heard is right; nan where none is."""
    believed: float
    """How probable the note is that is put there; nan where none is."""
    duration: int
    """The likeliest length in cells of a note that is put there."""

    @property
    def kind(self) -> str:
        """`removed`, `added`, `moved` in time, or `pitch`: another one at the same place."""
        if self.before is None or self.after is None:
            return "added" if self.before is None else "removed"
        return "moved" if self.before[1] == self.after[1] else "pitch"

    @property
    def cell(self) -> int:
        """Where it happens."""
        where = self.before or self.after
        assert where is not None
        return where[0]


@dataclass(frozen=True)
class Doubt:
    """Below which probability a note is wrong, and above which one that is not there is missing."""

    wrong: float
    missing: float

    @classmethod
    def of(cls, strength: float) -> Doubt:
        """At strength 0 nothing is changed. The usual one, 0.5, was chosen on validation songs."""
        return cls(0.4 * strength, 1 - 0.5 * min(1.0, 2 * strength))


def changes(belief: Belief, doubt: Doubt) -> list[Change]:
    """What to change in one group of a song's parts, in the order of time."""
    cell, slot, column = belief.heard
    owner, p = belief.source.group.owner, belief.probability
    heard = p[cell, slot, column]
    wrong = (heard < doubt.wrong) & belief.known[cell]
    rest = p.copy()
    rest[cell, slot, column] = 0
    rest[:, owner < 0] = 0
    voices = ~belief.chordal
    kept = ~wrong & voices[slot]
    rest[cell[kept], slot[kept]] = 0  # one note at a time: what is believed stays alone
    to = np.argwhere(rest > doubt.missing)  # (cell, slot, column)
    partner = _paired(np.stack([cell, slot, column], 1), np.flatnonzero(wrong), to)
    found = []
    for i in np.flatnonzero(wrong).tolist():
        j = partner.get(i)
        found.append(_change(belief, (int(cell[i]), int(slot[i]), int(column[i])), to, j))
    taken = set(partner.values())
    found += [_change(belief, None, to, j) for j in range(len(to)) if j not in taken]
    return sorted(found, key=lambda change: (change.cell, change.slot))


def _paired(heard: Ints, wrong: Ints, to: Ints) -> dict[int, int]:
    """For wrong notes what is put in their place: the same pitch nearby, or another one there."""
    partner: dict[int, int] = {}
    free = np.ones(len(to), bool)
    for same_pitch in (True, False):
        for i in wrong.tolist():
            if i in partner or not len(to):
                continue
            away = np.abs(to - heard[i])
            fits = free & (away[:, 1] == 0)
            fits &= (away[:, 2] == 0) & (away[:, 0] <= _NEAR) if same_pitch else away[:, 0] == 0
            if fits.any():
                far = np.where(fits, away[:, 0] * 128 + away[:, 2], 1 << 30)
                partner[i] = int(far.argmin())
                free[partner[i]] = False
    return partner


def _change(
    belief: Belief, heard: tuple[int, int, int] | None, to: NDArray[np.int64], j: int | None
) -> Change:
    def told(at: tuple[int, int, int] | None) -> tuple[tuple[int, int] | None, float]:
        if at is None:
            return None, float("nan")
        pitch = belief.pitches(np.array([at[2]]), np.array([at[1]]))
        return (at[0], int(pitch[0])), float(belief.probability[at])

    there = None if j is None else (int(to[j, 0]), int(to[j, 1]), int(to[j, 2]))
    before, p_before = told(heard)
    after, p_after = told(there)
    place = heard or there
    assert place is not None
    return Change(
        part=int(belief.source.group.owner[place[1]]),
        slot=place[1],
        before=before,
        after=after,
        heard=p_before,
        believed=p_after,
        duration=int(belief.duration[(there or place)[:2]]),
    )
