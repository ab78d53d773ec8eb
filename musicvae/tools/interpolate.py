"""Floor 8: songs on the way between songs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from musicvae.downbeats import BarlineEstimate, estimate_barlines
from musicvae.errors import ConfigError, DataError
from musicvae.latent import INTERPOLATORS, BlendOptions, Encoding, alike, blend, crossfade
from musicvae.latent.codec import Codec, decode_batch
from musicvae.representation.roles import classify_roles
from musicvae.song import Part, Song

Given = Song | BarlineEstimate


def interpolate(
    codec: Codec,
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
    ends = ends_of(codec, songs)
    stay = held(codec, ends[:2], parts)
    legs = [Leg.of(codec, ends[i], ends[i + 1], how, align, like) for i in range(len(ends) - 1)]
    places = np.linspace(0, len(songs) - 1, steps)
    nth = np.minimum(places.astype(np.int64), len(legs) - 1)
    recipes = [legs[n].at(codec, float(at - n), stay) for n, at in zip(nth, places, strict=True)]
    return _songs(codec, recipes, stay)


def morph(
    codec: Codec,
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
    ends, size = ends_of(codec, (a, b)), codec.preset.grid.bars
    stay = held(codec, ends, parts)
    leg = Leg.of(codec, ends[0], ends[1], how, align, like)
    mean = (leg.a.mu.shape[1] + leg.b.mu.shape[1]) / 2
    n_windows = max(round(mean if bars is None else bars / size), 1)

    def halves(at: float | None) -> tuple[Encoding, Encoding]:
        return crossfade(leg.a, leg.b, n_windows, size, leg.choices, at=at)

    both = zip(halves(None), *(halves(each.at) for each in stay), strict=True)
    recipes = [
        Recipe(main=main, whose=half, others=tuple(others))
        for half, (main, *others) in enumerate(both)
        if like in (None, "AB"[half])
    ]
    made = _songs(codec, recipes, stay)
    return replace(made[0], parts=_merged([song.parts for song in made]))


def grid(
    codec: Codec, corners: Sequence[Given], *, rows: int, columns: int, how: str
) -> list[list[Song]]:
    """`MusicVAE.grid`."""
    if rows < 2 or columns < 2:
        raise ConfigError("a grid has at least two rows and two columns")
    _checked(how, None)
    ends, size, choices = ends_of(codec, corners), codec.preset.grid.bars, BlendOptions(how=how)
    a, b, c, d = (end.near(codec, ends[0].exact.key) for end in ends)

    def recipe(down: float, right: float) -> Recipe:
        if down in (0, 1) and right in (0, 1):
            return Recipe(main=ends[int(2 * down + right)].exact, whose=0, exact=True)
        top, bottom = blend(a, b, right, size, choices), blend(c, d, right, size, choices)
        return Recipe(main=blend(top, bottom, down, size, choices), whose=0)

    across, along = np.linspace(0, 1, columns).tolist(), np.linspace(0, 1, rows).tolist()
    made = _songs(codec, [recipe(down, right) for down in along for right in across], ())
    return [made[row * columns : (row + 1) * columns] for row in range(rows)]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A song to be made: its encoding, whose parts it has (0 is A, 1 is B), and for each part that
    stays another encoding, over the same bars, which that part is taken from.
    """

    main: Encoding
    whose: int
    others: tuple[Encoding, ...] = ()
    exact: bool = False
    """Whether the song is a reconstruction, which must be the very same as alone."""


class Leg:
    """The way between two songs. `a` is exact, `b` told in the octave that is nearest to it."""

    def __init__(self, ends: tuple[End, End], a: Encoding, b: Encoding, choices: BlendOptions) -> None:
        self.ends, self.a, self.b, self.choices = ends, a, b, choices

    @classmethod
    def of(cls, codec: Codec, one: End, other: End, how: str, align: bool, like: str | None) -> Leg:
        """The way between two ends."""
        a, b = one.exact, other.near(codec, one.exact.key)
        path = alike(a.mu, b.mu) if align else None
        return cls((one, other), a, b, BlendOptions(how=how, like=like, path=path))

    def at(self, codec: Codec, t: float, stay: Sequence[Held]) -> Recipe:
        """The song a share `t` of the way, but for parts that stay."""
        size, end = codec.preset.grid.bars, t in (0, 1)
        main = self.ends[int(t)].exact if end else blend(self.a, self.b, t, size, self.choices)
        others = (blend(self.a, self.b, t, size, self.choices, at=each.at) for each in stay)
        whose = int(t) if end else self.choices.end(t)
        return Recipe(main=main, whose=whose, others=tuple(others), exact=end)


def _songs(codec: Codec, recipes: Sequence[Recipe], stay: Sequence[Held]) -> list[Song]:
    """The songs of recipes, all decoded at once but for reconstructions."""
    wanted = [each.main for each in recipes if not each.exact]
    wanted += [other for each in recipes for other in each.others]
    decoded = iter(decode_batch(codec, wanted))
    mains = [codec.decode(each.main) if each.exact else next(decoded) for each in recipes]
    return [
        _put_together(main, each.whose, [next(decoded) for _ in each.others], stay)
        for main, each in zip(mains, recipes, strict=True)
    ]


def _put_together(song: Song, whose: int, others: Sequence[Song], stay: Sequence[Held]) -> Song:
    """A song with the parts of one end, but for parts that stay: those are of the other songs, over
    the same bars.
    """
    gone = {part for each in stay for part in each.parts[whose]}
    parts = [(i, part) for i, part in enumerate(song.parts) if i not in gone]
    for each, other in zip(stay, others, strict=True):
        kept = each.parts[int(each.at >= 0.5)]
        parts += [(i, part) for i, part in enumerate(other.parts) if i in kept]
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
            found[place] = found[place].overlay(part) if place in found else part
    return tuple(found.values())


def _checked(how: str, like: str | None) -> None:
    if how not in INTERPOLATORS:
        raise ConfigError(f"how={how!r}: use one of {', '.join(INTERPOLATORS)}")
    if like not in (None, "A", "B"):
        raise ConfigError(f"like={like!r}: use A or B")


Rates = Mapping[str, str | float]


@dataclass(frozen=True, kw_only=True, eq=False)
class End:
    """A song, and its encoding, whose decoding is its reconstruction."""

    aligned: BarlineEstimate
    exact: Encoding

    def near(self, codec: Codec, key: int) -> Encoding:
        """The encoding in the same key, told in the octave nearest to another key.

        Pitches without their key are then as near as they can be to those of the other song, and
        on the way no voice leaps when the key changes.
        """
        mine = self.exact.key
        moved = mine + 12 * round((key - mine) / 12)
        return self.exact if moved == mine else codec.encode(self.aligned, key=moved)

    def called(self, codec: Codec, word: str) -> set[int]:
        """The parts that a word means: by their name; if there is none, by their role; else those
        that sit in the preset's slots of that name.
        """
        word, parts = word.casefold().strip(), self.aligned.song.parts
        named = {i for i, part in enumerate(parts) if part.name.casefold().strip() == word}
        roles = enumerate(classify_roles(self.aligned.song))
        slots = [i for i, slot in enumerate(codec.preset.parts) if slot.name.casefold() == word]
        owned = {int(owner[slot]) for owner in self.exact.owners for slot in slots} - {-1}
        return named or {i for i, role in roles if role.name == word} or owned

    @property
    def words(self) -> list[str]:
        """What its parts may be called."""
        roles = (role.name for role in classify_roles(self.aligned.song))
        return [*(part.name for part in self.aligned.song.parts if part.name), *roles]


def ends_of(codec: Codec, songs: Sequence[Song | BarlineEstimate]) -> list[End]:
    """Encode songs. Raises `DataError` for one that has nothing in it for the model."""
    found = []
    for nth, song in enumerate(songs, start=1):
        aligned = song if isinstance(song, BarlineEstimate) else estimate_barlines(song)
        exact = codec.encode(aligned)
        if exact.is_empty:
            raise DataError(
                f"song {nth} of {len(songs)} has nothing that preset {codec.preset.name} can "
                "represent; choose another --checkpoint"
            )
        found.append(End(aligned=aligned, exact=exact))
    return found


@dataclass(frozen=True, kw_only=True)
class Held:
    """Parts of A and of B (their numbers) that stay where they are on the way, at `at`."""

    at: float
    parts: tuple[set[int], set[int]]


def held(codec: Codec, ends: Sequence[End], rates: Rates | None) -> list[Held]:
    """What `rates` says, name by name. Raises `ConfigError` for a name that no part has."""
    found = []
    for word, rate in (rates or {}).items():
        at = {"A": 0.0, "B": 1.0}.get(rate) if isinstance(rate, str) else float(rate)
        if at is None or not 0 <= at <= 1:
            raise ConfigError(f"part {word}={rate}: a part stays at A, at B, or between, 0 to 1")
        parts = (ends[0].called(codec, word), ends[1].called(codec, word))
        if not any(parts):
            known = dict.fromkeys(word for end in ends for word in end.words)
            raise ConfigError(f"no part is called {word!r}; there are {', '.join(known)}")
        found.append(Held(at=at, parts=parts))
    return found
