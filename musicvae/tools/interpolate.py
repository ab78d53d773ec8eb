"""Interpolation between songs: sequences (`interpolate`), morphs and grids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from musicvae.downbeats import BarlineEstimate
from musicvae.errors import ConfigError
from musicvae.latent import (
    INTERPOLATORS,
    BlendOptions,
    Encoding,
    blend,
    crossfade,
    dtw_path,
)
from musicvae.latent.codec import Codec
from musicvae.latent.song_input import check_bars, unrepresentable, with_barlines
from musicvae.representation.roles import classify_roles
from musicvae.song import Part, Song

PartPositions = Mapping[str, str | float]
"""Positions of parts, by name, role or slot: `A`, `B`, or 0 to 1."""


def interpolate(
    codec: Codec,
    *songs: Song | BarlineEstimate,
    steps: int = 7,
    how: str = "slerp",
    align: bool = False,
    like: str | None = None,
    parts: PartPositions | None = None,
) -> list[Song]:
    """Return `steps` songs from the first song to the last, through those in between.

    Songs may differ in length, tempo, meter, key and instruments. The first and the last result
    are the reconstructions of the first and the last song.

    Args:
        songs: two or more.
        steps: number of songs to return, both ends included.
        how: `slerp` along great circles, `lerp` along straight lines.
        align: match similar windows, by dynamic time warping of latents; by default windows are
            matched by position.
        like: `A` or `B`, the song that provides meter, key, parts and programs; by default the
            nearer one, and keys in between. For two songs only.
        parts: parts that do not move, by name, role or slot: `{"drums": "A"}` keeps those of A, a
            number from 0 to 1 keeps a position in between. For two songs only.

    Raises `ConfigError` for invalid arguments, `DataError` if the model can represent no note of a
    song.
    """
    if len(songs) < 2 or steps < 2:
        raise ConfigError("interpolate needs at least two songs and two steps")
    if len(songs) > 2 and (like or parts):
        raise ConfigError("like and parts are for two songs, A and B")
    _validate(how, like)
    ends = encode_endpoints(codec, songs)
    pinned = pinned_parts(codec, ends[:2], parts)
    segments = [
        Segment.between(codec, ends[i], ends[i + 1], how, align, like) for i in range(len(ends) - 1)
    ]
    positions = np.linspace(0, len(songs) - 1, steps)
    nth = np.minimum(positions.astype(np.int64), len(segments) - 1)
    targets = [
        segments[n].target(codec, float(at - n), pinned)
        for n, at in zip(nth, positions, strict=True)
    ]
    return _decode_targets(codec, targets, pinned)


def morph(
    codec: Codec,
    a: Song | BarlineEstimate,
    b: Song | BarlineEstimate,
    *,
    bars: int | None = None,
    how: str = "slerp",
    align: bool = False,
    like: str | None = None,
    parts: PartPositions | None = None,
) -> Song:
    """Return one song that begins as `a`, turns into `b` over time, and ends as `b`.

    Up to the middle the parts of `a` play in its key and meter, from there on those of `b` in its
    own; with `like` those of one song throughout. `bars` is the approximate length, rounded to
    whole windows; by default the mean of both songs. Other arguments and errors as in
    `interpolate`.
    """
    if bars is not None and bars < 1:
        raise ConfigError("a morph has at least one bar")
    _validate(how, like)
    ends, size = encode_endpoints(codec, (a, b)), codec.preset.grid.bars
    pinned = pinned_parts(codec, ends, parts)
    segment = Segment.between(codec, ends[0], ends[1], how, align, like)
    mean = (segment.a.mu.shape[1] + segment.b.mu.shape[1]) / 2
    n_windows = max(round(mean if bars is None else bars / size), 1)

    def halves(latent_t: float | None) -> tuple[Encoding, Encoding]:
        return crossfade(segment.a, segment.b, n_windows, size, segment.options, latent_t=latent_t)

    both = zip(halves(None), *(halves(each.position) for each in pinned), strict=True)
    targets = [
        Target(main=main, source=half, others=tuple(others))
        for half, (main, *others) in enumerate(both)
        if like in (None, "AB"[half])
    ]
    songs = _decode_targets(codec, targets, pinned)
    return replace(songs[0], parts=_merge_halves([song.parts for song in songs]))


def grid(
    codec: Codec,
    a: Song | BarlineEstimate,
    b: Song | BarlineEstimate,
    c: Song | BarlineEstimate,
    d: Song | BarlineEstimate,
    steps: int | tuple[int, int] = 5,
    *,
    how: str = "slerp",
) -> list[list[Song]]:
    """Return rows of songs between four corners: `a` and `b` above, `c` and `d` below.

    `steps` is the number of rows and columns, or a pair of both. The corners are the
    reconstructions. Errors as in `interpolate`.
    """
    rows, columns = (steps, steps) if isinstance(steps, int) else steps
    if rows < 2 or columns < 2:
        raise ConfigError("a grid has at least two rows and two columns")
    _validate(how, None)
    ends, size = encode_endpoints(codec, (a, b, c, d)), codec.preset.grid.bars
    options = BlendOptions(how=how)
    corners = [end.transposed_to(codec, ends[0].encoding.key) for end in ends]

    def target(down: float, right: float) -> Target:
        if down in (0, 1) and right in (0, 1):
            end = ends[int(2 * down + right)]
            return Target(main=end.encoding, source=0, is_reconstruction=True)
        top = blend(corners[0], corners[1], right, size, options)
        bottom = blend(corners[2], corners[3], right, size, options)
        return Target(main=blend(top, bottom, down, size, options), source=0)

    across, along = np.linspace(0, 1, columns).tolist(), np.linspace(0, 1, rows).tolist()
    songs = _decode_targets(codec, [target(down, right) for down in along for right in across], ())
    return [songs[row * columns : (row + 1) * columns] for row in range(rows)]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A song to decode, and for each pinned part another encoding over the same bars."""

    main: Encoding
    source: int
    """The song whose parts it has: 0 is A, 1 is B."""
    others: tuple[Encoding, ...] = ()
    """One for each `PinnedPart`, to take that part from."""
    is_reconstruction: bool = False
    """Whether it must equal the reconstruction, and is decoded alone."""


@dataclass(frozen=True, eq=False)
class Segment:
    """The path between two songs; `b` is encoded in the octave nearest to `a`."""

    ends: tuple[Endpoint, Endpoint]
    a: Encoding
    b: Encoding
    options: BlendOptions

    @classmethod
    def between(
        cls, codec: Codec, one: Endpoint, other: Endpoint, how: str, align: bool, like: str | None
    ) -> Segment:
        """Return the path between two endpoints."""
        a, b = one.encoding, other.transposed_to(codec, one.encoding.key)
        path = dtw_path(a.mu, b.mu) if align else None
        return cls((one, other), a, b, BlendOptions(how=how, like=like, path=path))

    def target(self, codec: Codec, t: float, pinned: Sequence[PinnedPart]) -> Target:
        """Return the song at `t`, and the encodings of pinned parts over its bars."""
        size, is_end = codec.preset.grid.bars, t in (0, 1)
        if is_end:
            main, source = self.ends[int(t)].encoding, int(t)
        else:
            main = blend(self.a, self.b, t, size, self.options)
            source = self.options.template_index(t)
        others = (
            blend(self.a, self.b, t, size, self.options, latent_t=each.position) for each in pinned
        )
        return Target(main=main, source=source, others=tuple(others), is_reconstruction=is_end)


def _decode_targets(
    codec: Codec, targets: Sequence[Target], pinned: Sequence[PinnedPart]
) -> list[Song]:
    """Decode targets in common batches, reconstructions one by one."""
    encodings = [each.main for each in targets if not each.is_reconstruction]
    encodings += [other for each in targets for other in each.others]
    decoded = iter(codec.decode_batch(encodings))
    mains = [
        codec.decode(each.main) if each.is_reconstruction else next(decoded) for each in targets
    ]
    return [
        _combine_parts(main, each.source, [next(decoded) for _ in each.others], pinned)
        for main, each in zip(mains, targets, strict=True)
    ]


def _combine_parts(
    song: Song, source: int, others: Sequence[Song], pinned: Sequence[PinnedPart]
) -> Song:
    """Return a song with its pinned parts taken from other songs over the same bars."""
    replaced = {part for each in pinned for part in each.parts[source]}
    parts = [(i, part) for i, part in enumerate(song.parts) if i not in replaced]
    for each, other in zip(pinned, others, strict=True):
        kept = each.parts[int(each.position >= 0.5)]
        parts += [(i, part) for i, part in enumerate(other.parts) if i in kept]
    parts.sort(key=lambda numbered: numbered[0])
    return replace(song, parts=tuple(part for _, part in parts))


def _merge_halves(halves: Sequence[Sequence[Part]]) -> tuple[Part, ...]:
    """Merge parts of the same name, program and kind, in the order of their first occurrence."""
    merged: dict[tuple[str, int, bool, int], Part] = {}
    for half in halves:
        count: Counter[tuple[str, int, bool]] = Counter()
        for part in half:
            kind = (part.name, part.program, part.is_drum)
            key = (*kind, count[kind])  # the nth of a kind is merged with the nth
            count[kind] += 1
            merged[key] = merged[key].overlay(part) if key in merged else part
    return tuple(merged.values())


def _validate(how: str, like: str | None) -> None:
    if how not in INTERPOLATORS:
        raise ConfigError(f"how={how!r}: use one of {', '.join(INTERPOLATORS)}")
    if like not in (None, "A", "B"):
        raise ConfigError(f"like={like!r}: use A or B")


@dataclass(frozen=True, kw_only=True, eq=False)
class Endpoint:
    """A song to interpolate from or to, and its encoding."""

    barlines: BarlineEstimate
    encoding: Encoding

    def transposed_to(self, codec: Codec, key: int) -> Encoding:
        """Return the encoding in the same key, but the octave nearest to another key.

        Pitches relative to the keys are then as near as possible to those of the other song, and
        no voice leaps when the key changes.
        """
        own = self.encoding.key
        nearest = own + 12 * round((key - own) / 12)
        return self.encoding if nearest == own else codec.encode(self.barlines, key=nearest)

    def parts_named(self, codec: Codec, word: str) -> set[int]:
        """Return the parts of a name, else of a role, else those in the preset's slots so named."""
        word, parts = word.casefold().strip(), self.barlines.song.parts
        named = {i for i, part in enumerate(parts) if part.name.casefold().strip() == word}
        roles = enumerate(classify_roles(self.barlines.song))
        slots = [i for i, slot in enumerate(codec.preset.parts) if slot.name.casefold() == word]
        owned = {int(owner[slot]) for owner in self.encoding.source_parts for slot in slots} - {-1}
        return named or {i for i, role in roles if role.name == word} or owned

    @property
    def part_words(self) -> list[str]:
        """Names and roles of the parts."""
        roles = (role.name for role in classify_roles(self.barlines.song))
        return [*(part.name for part in self.barlines.song.parts if part.name), *roles]


def encode_endpoints(codec: Codec, songs: Sequence[Song | BarlineEstimate]) -> list[Endpoint]:
    """Encode songs; raise `DataError` if the model can represent no note of one."""
    found = []
    for nth, song in enumerate(songs, start=1):
        barlines = with_barlines(song)
        encoding = codec.encode(barlines)
        check_bars(len(encoding.bars))
        if encoding.is_empty:
            raise unrepresentable(codec.preset, barlines.song, f"song {nth} of {len(songs)}")
        found.append(Endpoint(barlines=barlines, encoding=encoding))
    return found


@dataclass(frozen=True, kw_only=True)
class PinnedPart:
    """Parts of A and of B, by index, that keep one `position` between 0 (A) and 1 (B)."""

    position: float
    parts: tuple[set[int], set[int]]


def pinned_parts(
    codec: Codec, ends: Sequence[Endpoint], positions: PartPositions | None
) -> list[PinnedPart]:
    """Return the pinned parts of A and B; raise `ConfigError` for an unknown name."""
    found = []
    for word, value in (positions or {}).items():
        at = {"A": 0.0, "B": 1.0}.get(value) if isinstance(value, str) else float(value)
        if at is None or not 0 <= at <= 1:
            raise ConfigError(f"part {word}={value}: give A, B, or a number from 0 to 1")
        parts = (ends[0].parts_named(codec, word), ends[1].parts_named(codec, word))
        if not any(parts):
            known = dict.fromkeys(word for end in ends for word in end.part_words)
            raise ConfigError(f"no part is called {word!r}; there are {', '.join(known)}")
        found.append(PinnedPart(position=at, parts=parts))
    return found
