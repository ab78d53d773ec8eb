"""Floor 8: songs on the way between songs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from musicvae.alignment import Alignment
from musicvae.errors import ConfigError
from musicvae.latent import WAYS, Choices, Encoding, alike, between, turning
from musicvae.model.coder import Coder
from musicvae.model.ends import End, Held, Rates, ends_of, held
from musicvae.song import Part, Song

Given = Song | Alignment


def interpolate(
    coder: Coder,
    songs: Sequence[Given],
    *,
    steps: int,
    how: str,
    align: bool,
    like: str | None,
    parts: Rates | None,
) -> list[Song]:
    """`MusicVAE.interpolate`."""
    if len(songs) < 2 or steps < 2:
        raise ConfigError("interpolate needs at least two songs and two steps")
    if len(songs) > 2 and (like or parts):
        raise ConfigError("like and parts are for two songs, A and B")
    _checked(how, like)
    ends = ends_of(coder, songs)
    stay = held(coder, ends[:2], parts)
    legs = [Leg.of(coder, ends[i], ends[i + 1], how, align, like) for i in range(len(ends) - 1)]
    made = []
    for at in np.linspace(0, len(songs) - 1, steps):
        nth = min(int(at), len(legs) - 1)
        made.append(legs[nth].song(coder, float(at - nth), stay))
    return made


def morph(
    coder: Coder,
    a: Given,
    b: Given,
    *,
    bars: int | None,
    how: str,
    align: bool,
    like: str | None,
    parts: Rates | None,
) -> Song:
    """`MusicVAE.morph`."""
    if bars is not None and bars < 1:
        raise ConfigError("a morph has at least one bar")
    _checked(how, like)
    ends, size = ends_of(coder, (a, b)), coder.preset.grid.bars
    stay = held(coder, ends, parts)
    leg = Leg.of(coder, ends[0], ends[1], how, align, like)
    mean = (leg.a.mu.shape[1] + leg.b.mu.shape[1]) / 2
    n_windows = max(round(mean if bars is None else bars / size), 1)

    def halves(at: float | None) -> tuple[Encoding, Encoding]:
        return turning(leg.a, leg.b, n_windows, size, leg.choices, at=at)

    both = zip(halves(None), *(halves(each.at) for each in stay), strict=True)
    made = [
        _put_together(coder, main, half, others, stay)
        for half, (main, *others) in enumerate(both)
        if like in (None, "AB"[half])
    ]
    return replace(made[0], parts=_merged([song.parts for song in made]))


def grid(
    coder: Coder, corners: Sequence[Given], *, rows: int, columns: int, how: str
) -> list[list[Song]]:
    """`MusicVAE.grid`."""
    if rows < 2 or columns < 2:
        raise ConfigError("a grid has at least two rows and two columns")
    _checked(how, None)
    ends, size, choices = ends_of(coder, corners), coder.preset.grid.bars, Choices(how=how)
    a, b, c, d = (end.near(coder, ends[0].exact.key) for end in ends)

    def encoding(down: float, right: float) -> Encoding:
        if down in (0, 1) and right in (0, 1):
            return ends[int(2 * down + right)].exact
        top, bottom = between(a, b, right, size, choices), between(c, d, right, size, choices)
        return between(top, bottom, down, size, choices)

    return [
        [coder.decode(encoding(float(down), float(right))) for right in np.linspace(0, 1, columns)]
        for down in np.linspace(0, 1, rows)
    ]


class Leg:
    """The way between two songs. `a` is exact, `b` told in the octave that is nearest to it."""

    def __init__(self, ends: tuple[End, End], a: Encoding, b: Encoding, choices: Choices) -> None:
        self.ends, self.a, self.b, self.choices = ends, a, b, choices

    @classmethod
    def of(cls, coder: Coder, one: End, other: End, how: str, align: bool, like: str | None) -> Leg:
        """The way between two ends."""
        a, b = one.exact, other.near(coder, one.exact.key)
        path = alike(a.mu, b.mu) if align else None
        return cls((one, other), a, b, Choices(how=how, like=like, path=path))

    def song(self, coder: Coder, t: float, stay: Sequence[Held]) -> Song:
        """The song a share `t` of the way, but for parts that stay."""
        size = coder.preset.grid.bars
        if t in (0, 1):
            main = self.ends[int(t)].exact
        else:
            main = between(self.a, self.b, t, size, self.choices)
        whose = int(t) if t in (0, 1) else self.choices.end(t)
        others = [between(self.a, self.b, t, size, self.choices, at=each.at) for each in stay]
        return _put_together(coder, main, whose, others, stay)


def _put_together(
    coder: Coder, main: Encoding, whose: int, others: Sequence[Encoding], stay: Sequence[Held]
) -> Song:
    """The song of an encoding with the parts of one end, but for parts that stay: those are of the
    other encodings, which have the same bars.
    """
    song = coder.decode(main)
    gone = {part for each in stay for part in each.parts[whose]}
    parts = [(i, part) for i, part in enumerate(song.parts) if i not in gone]
    for each, other in zip(stay, others, strict=True):
        kept = each.parts[int(each.at >= 0.5)]
        made = coder.decode(other).parts
        parts += [(i, part) for i, part in enumerate(made) if i in kept]
    parts.sort(key=lambda numbered: numbered[0])
    return replace(song, parts=tuple(part for _, part in parts))


def _merged(halves: Sequence[Sequence[Part]]) -> tuple[Part, ...]:
    """Parts of one name, program and kind made one, in the order in which they first come."""
    found: dict[tuple[str, int, bool, int], Part] = {}
    for half in halves:
        counted: Counter[tuple[str, int, bool]] = Counter()
        for part in half:
            kind = (part.name, part.program, part.is_drum)
            place = (*kind, counted[kind])  # of several that look the same, each with its like
            counted[kind] += 1
            found[place] = found[place].with_others(part) if place in found else part
    return tuple(found.values())


def _checked(how: str, like: str | None) -> None:
    if how not in WAYS:
        raise ConfigError(f"how={how!r}: use one of {', '.join(WAYS)}")
    if like not in (None, "A", "B"):
        raise ConfigError(f"like={like!r}: use A or B")
