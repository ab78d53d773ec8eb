"""Floor 2: tracks of one instrument become one part, and back.

Files spread one instrument over tracks: a kit in a track a drum, a piano in a track a hand, a lead
doubled for the stereo image. `merge_parts` puts together what belongs together and nothing else:

- all drum tracks are one kit;
- tracks with the same notes are one line, whatever their instruments: the first one stands;
- two hands of one keyboard (or harp) are one part: names that differ in the hand alone
  ("Piano RH" and "Piano LH", "upper" and "lower", "staff 1" and "staff 2");
- so are two or three tracks of one program whose equal names say that they are a keyboard;
- tracks of one name and one program that take turns are one part.

Voices of a choir, strings of a quartet, and whatever has names of its own stay apart; so do
tracks without a name, since nothing then says that they are one instrument.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from musicvae.song import Ints, Part, Song, resolve_overlaps

_KEYBOARDS = frozenset((*range(9), *range(16, 24), 46))  # pianos, celesta, organs, harp
_KEYBOARD_NAME = re.compile(
    r"pian|klavier|clavier|keyboard|\bkeys\b|rhodes|organ|orgue|orgel|órgano|harpsichord"
    r"|clavecin|cembalo|clave\b|celesta|harmonium|\bhar[pf]|arpa\b"
)
_HAND = re.compile(
    r"(?<![^\W\d_])(?:"
    r"(?:right|left)(?:[ _-]*hands?)?|[rl]\.? ?h\b\.?|m\.? ?[dgs]\b\.?"
    r"|(?:main|mano|mão) (?:droite|gauche|destra|sinistra|derecha|izquierda|direita|esquerda)"
    r"|(?:rechte|linke)[rn]? hand|rechts|links|droite|gauche|destra|sinistra|derecha|izquierda"
    r"|(?:upper|lower|treble|bass) (?:staff|stave|clef|system)|upper|lower|treble"
    r"|(?:staff|stave|system|hand) ?[12]"
    r")(?![^\W\d_])",
    re.IGNORECASE,
)
_KIT, _HANDS = "one drum kit", "hands of one keyboard"
_STAVES, _BY_TURNS = "staves of one keyboard", "one instrument, by turns"
_NAME_LENGTH = 100  # of a name only so much is looked at
_TURNS = 0.02  # of the shorter track's time that may overlap the other


@dataclass(frozen=True, kw_only=True)
class Merge:
    """What `merge_parts` did: `members[i]` are the parts that part `i` was made of.

    `reasons[i]` is one line, empty where nothing was merged. `lines[i]` groups the members: those
    in one tuple double each other. `changed` counts notes dropped or cut short because merged
    tracks overlap on a pitch; doubled notes are not counted. `before` and `after` are the parts as
    they were and as they became, which is what the way back needs.
    """

    members: tuple[tuple[int, ...], ...]
    lines: tuple[tuple[tuple[int, ...], ...], ...]
    reasons: tuple[str, ...]
    changed: int
    before: tuple[Part, ...]
    after: tuple[Part, ...]

    @property
    def told(self) -> tuple[str, ...]:
        """One line for each part that was made of several."""
        return tuple(reason for reason in self.reasons if reason)


def merge_parts(song: Song) -> tuple[Song, Merge]:
    """`song` with one part an instrument, and what was done; the inverse is `split_parts`.

    A merged part takes the place and the program of its first track. Notes of its tracks that
    overlap on one pitch follow `song.resolve_overlaps`.
    """
    before = song.parts
    double_of = _doubles(before)
    lead = [i for i in range(len(before)) if double_of[i] == i]
    groups: dict[int, tuple[list[int], str]] = {i: ([i], "") for i in lead}
    for found, reason in _together(before, lead):
        whole = sorted(i for f in found for i in groups.pop(f)[0])
        groups[whole[0]] = (whole, reason)
    doubles: dict[int, list[int]] = defaultdict(list)
    for i, first in enumerate(double_of):
        doubles[first].append(i)
    parts, members, lines, reasons, changed = [], [], [], [], 0
    for first in sorted(groups):
        whole, reason = groups[first]
        part, hurt = _merged([before[i] for i in whole], reason)
        own = tuple(tuple(doubles[i]) for i in whole)
        parts.append(part)
        lines.append(own)
        members.append(tuple(sorted(i for line in own for i in line)))
        reasons.append(_told(before, own, reason))
        changed += hurt
    merge = Merge(
        members=tuple(members),
        lines=tuple(lines),
        reasons=tuple(reasons),
        changed=changed,
        before=before,
        after=tuple(parts),
    )
    return (song if len(parts) == len(before) else replace(song, parts=tuple(parts))), merge


def split_parts(song: Song, merge: Merge) -> Song:
    """The tracks again from merged parts whose notes may have been remade.

    A note that is as it was goes back to where it came from, exactly; one near an old note of its
    pitch (within an eighth of a quarter) goes to where that one came from; any other goes to the
    track whose pitches are nearest, and to those that double it. Raises `ValueError` if `song` has
    not the parts that the merging gave.
    """
    if len(song.parts) != len(merge.after):
        raise ValueError(f"{len(song.parts)} parts, but merging gave {len(merge.after)}")
    parts = list(merge.before)
    near = max(song.ticks_per_quarter // 8, 1)
    for now, then, members, lines in zip(
        song.parts, merge.after, merge.members, merge.lines, strict=True
    ):
        if len(members) == 1:
            parts[members[0]] = now
        elif now != then:
            for index, part in _shared_out(now, then, lines, merge.before, near):
                parts[index] = part
    return replace(song, parts=tuple(parts))


# -- what belongs together ------------------------------------------------------------------------


def _doubles(parts: tuple[Part, ...]) -> list[int]:
    """For each part the first one with the same onsets and pitches, itself if there is none."""
    first = list(range(len(parts)))
    alike: dict[int, list[int]] = defaultdict(list)
    for i, part in enumerate(parts):
        if len(part):
            alike[len(part)].append(i)
    for same_length in alike.values():
        if len(same_length) > 1:
            seen: dict[tuple[bool, bytes, bytes], int] = {}
            for i in same_length:
                part = parts[i]
                key = (part.is_drum, part.onset_ticks.tobytes(), part.pitch.tobytes())
                first[i] = seen.setdefault(key, i)
    return first


def _together(parts: tuple[Part, ...], lead: list[int]) -> Iterable[tuple[list[int], str]]:
    """Groups of tracks that are one instrument, and why."""
    kit = [i for i in lead if parts[i].is_drum]
    if len(kit) > 1:
        yield kit, _KIT
    stems: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i in lead:
        if not parts[i].is_drum:
            stems[_stem(parts[i].name[:_NAME_LENGTH])[0], parts[i].program].append(i)
    for (stem, program), found in stems.items():
        if len(found) < 2:
            continue
        hands = [_stem(parts[i].name[:_NAME_LENGTH])[1] for i in found]
        named = _KEYBOARD_NAME.search(stem) is not None
        alike = stem and len(set(hands)) == 1
        if all(hands) and 2 == len(set(hands)) == len(found) and (named or program in _KEYBOARDS):
            yield found, _HANDS
        # Program 0 is also what stands in files that say nothing of instruments.
        elif alike and len(found) <= 3 and (named or (program and program in _KEYBOARDS)):
            yield found, _STAVES
        elif alike and _take_turns([parts[i] for i in found]):
            yield found, _BY_TURNS


@lru_cache(maxsize=4096)
def _stem(name: str) -> tuple[str, str]:
    """A track's name without the hand it speaks of, and that hand ("" if none)."""
    plain = " ".join(name.lower().split())
    hands = " ".join(_HAND.findall(plain))
    return re.sub(r"[\W_]+", " ", _HAND.sub(" ", plain)).strip(), hands


def _take_turns(parts: list[Part]) -> bool:
    """Whether no two of these tracks sound at once, but for a little."""
    if not all(len(part) for part in parts):
        return False
    onset = np.concatenate([part.onset_ticks for part in parts])
    stop = onset + np.concatenate([part.duration_ticks for part in parts])
    track = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    order = np.argsort(onset, kind="stable")
    onset, stop, track = onset[order], stop[order], track[order]
    changes = np.flatnonzero(np.diff(track)) + 1
    shared = np.maximum(np.maximum.accumulate(stop)[changes - 1] - onset[changes], 0).sum()
    lengths = np.bincount(track, weights=(stop - onset).astype(np.float64))
    return bool(shared <= _TURNS * lengths.min())


# -- there ----------------------------------------------------------------------------------------


def _merged(parts: list[Part], reason: str) -> tuple[Part, int]:
    """One part of several, and how many notes were dropped or cut short for it."""
    if len(parts) == 1:
        return parts[0], 0
    onset, duration, pitch, velocity = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("onset_ticks", "duration_ticks", "pitch", "velocity")
    )
    keep, duration, changed = resolve_overlaps(onset, duration, pitch)
    name = parts[0].name
    if reason == _HANDS:
        name = " ".join(_HAND.sub(" ", name).split()).strip(" -_,.:;()[]") or "Keyboard"
    elif reason == _KIT and len({part.name for part in parts}) > 1:
        name = "Drums"
    whole = replace(parts[0], name=name)
    return whole.with_notes(onset[keep], duration[keep], pitch[keep], velocity[keep]), changed


def _told(parts: tuple[Part, ...], lines: tuple[tuple[int, ...], ...], reason: str) -> str:
    """One line on a merged part: which tracks, and why."""
    if not reason and len(lines[0]) == 1:
        return ""
    why = [reason] if reason else []
    why += [f"{len(line)} tracks with the same notes" for line in lines if len(line) > 1]
    tracks = [
        f"{i + 1} {parts[i].name.strip()[:40]!r}".removesuffix(" ''")
        for i in sorted(i for line in lines for i in line)
    ]
    shown = ", ".join(tracks[:6]) + (f" and {len(tracks) - 6} more" if len(tracks) > 6 else "")
    return f"tracks {shown}: {', '.join(why[:3])}"


# -- and back -------------------------------------------------------------------------------------


def _shared_out(
    now: Part,
    then: Part,
    lines: tuple[tuple[int, ...], ...],
    before: tuple[Part, ...],
    near: int,
) -> Iterable[tuple[int, Part]]:
    """The tracks of one merged part, `now` remade from `then`."""
    span = max(now.end_ticks, then.end_ticks) + 2 * near + 1
    old, new = _keys(then, span), _keys(now, span)
    order = np.argsort(old)
    nearest = order[_nearest(old[order], new)] if len(old) else np.zeros(len(new), np.int64)
    known = np.abs(old[nearest] - new) <= near if len(old) else np.zeros(len(new), bool)
    same = known.copy()
    for name in ("onset_ticks", "duration_ticks", "pitch", "velocity"):
        at, was = getattr(now, name), getattr(then, name)
        same[known] &= at[known] == was[nearest[known]]
    origin = old[nearest[known]] if len(old) else old
    strange = _nearest_line(now.pitch[~known], [before[line[0]] for line in lines])
    for which, line in enumerate(lines):
        mine = np.zeros(len(now), bool)
        mine[~known] = strange == which
        first = _keys(before[line[0]], span)
        mine[known] = np.isin(origin, first)
        remade = now.take(mine & ~same)
        for index in line:
            part = before[index]
            stays = part.take(np.isin(_keys(part, span), new[same]))
            yield index, stays.with_others(remade)


def _keys(part: Part, span: int) -> Ints:
    """One number for each note's pitch and onset; near onsets of a pitch are near."""
    return part.pitch * span + part.onset_ticks


def _nearest(ordered: Ints, values: Ints) -> Ints:
    """The index in `ordered`, not empty, of what is nearest to each value."""
    last = len(ordered) - 1
    after = np.minimum(np.searchsorted(ordered, values), last)
    before = np.maximum(after - 1, 0)
    return np.where(values - ordered[before] <= np.abs(ordered[after] - values), before, after)


def _nearest_line(pitch: Ints, tracks: Sequence[Part]) -> NDArray[np.int64]:
    """Of tracks the one whose pitches are nearest to each pitch; of equals by their mean."""
    cost = np.full((len(tracks), len(pitch)), np.inf)
    for i, track in enumerate(tracks):
        if len(track):
            used = np.unique(track.pitch)
            gap = np.abs(used[_nearest(used, pitch)] - pitch)
            cost[i] = gap + np.abs(track.pitch.mean() - pitch) / 1000
    return cost.argmin(axis=0)
