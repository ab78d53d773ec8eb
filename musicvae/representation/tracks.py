"""Merging of tracks that belong to one instrument.

Files spread one instrument over several tracks: a kit over a track per drum, a piano over a track
per hand, a lead doubled for stereo. `merge_tracks` merges these and nothing else:

- all drum tracks become one kit;
- tracks with the same notes are doublings, whatever their instruments: the first one stands;
- two hands of one keyboard or harp become one part: tracks whose names differ in the hand alone
  ("Piano RH" and "Piano LH", "upper" and "lower", "staff 1" and "staff 2");
- so do two or three tracks of one program with equal names that denote a keyboard;
- the strings of a guitar or bass, each on a channel of its own: four to twelve tracks of one such
  program and name (without a name five to twelve), or of names that differ in the string alone
  ("Guitar string 1"), on each of which one note sounds at a time;
- tracks of one name and program that take turns become one part.

Voices of a choir, strings of a quartet, and other tracks with different names stay apart, as do
unnamed tracks, since nothing shows that they belong to one instrument.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from musicvae.song import NOTE_COLUMNS, Part, Song, resolve_overlaps

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
_PLUCKED = frozenset((*range(24, 40), *range(104, 108)))  # guitars, basses, sitar to koto
_STRING_LABEL = re.compile(
    r"(?<![^\W\d_])(?:(?:strings?|str\b\.?|saite|corde|corda|cuerda)[ _#-]*(?:\d\d?|[a-g]\b)"
    r"|(?:\d\d?(?:st|nd|rd|th)?|[a-g])[ _-](?:string|saite|corde|corda|cuerda))(?![^\W_])",
    re.IGNORECASE,
)
_MIN_STRINGS, _MIN_UNNAMED_STRINGS, _MAX_STRINGS = 4, 5, 12
_KIT, _HANDS = "one drum kit", "hands of one keyboard"
_STRINGS = "strings of one instrument"
_STAVES, _BY_TURNS = "staves of one keyboard", "one instrument, by turns"
_MAX_NAME_LENGTH = 100  # names are cut to this length before they are matched
_MAX_OVERLAP_SHARE = 0.02  # of the shorter track's time, for tracks that take turns


@dataclass(frozen=True, kw_only=True)
class TrackMerge:
    """Record of what `merge_tracks` did.

    `members[i]` are the tracks that part `i` was made of. `reasons[i]` is one line, empty where
    nothing was merged. `n_changed` counts notes dropped or shortened because merged tracks overlap
    on a pitch; doublings are not counted.
    """

    members: tuple[tuple[int, ...], ...]
    reasons: tuple[str, ...]
    n_changed: int

    @property
    def descriptions(self) -> tuple[str, ...]:
        """One line for each part that was merged."""
        return tuple(reason for reason in self.reasons if reason)


def merge_tracks(song: Song) -> tuple[Song, TrackMerge]:
    """Return `song` with one part per instrument, and a record of what was merged.

    A merged part takes the place and the program of its first track. Notes of its tracks that
    overlap on a pitch are resolved by `song.resolve_overlaps`.
    """
    tracks = song.parts
    double_of = _find_doubles(tracks)
    originals = [i for i in range(len(tracks)) if double_of[i] == i]
    groups: dict[int, tuple[list[int], str]] = {i: ([i], "") for i in originals}
    for found, reason in _find_instruments(tracks, originals):
        whole = sorted(i for f in found for i in groups.pop(f)[0])
        groups[whole[0]] = (whole, reason)
    doubles: dict[int, list[int]] = defaultdict(list)
    for i, first in enumerate(double_of):
        doubles[first].append(i)
    parts, members, reasons, n_changed = [], [], [], 0
    for first in sorted(groups):
        whole, reason = groups[first]
        part, n = _merge([tracks[i] for i in whole], reason)
        lines = [doubles[i] for i in whole]
        parts.append(part)
        members.append(tuple(sorted(i for line in lines for i in line)))
        reasons.append(_describe(tracks, lines, reason))
        n_changed += n
    merge = TrackMerge(members=tuple(members), reasons=tuple(reasons), n_changed=n_changed)
    return (song if len(parts) == len(tracks) else replace(song, parts=tuple(parts))), merge


def _find_doubles(parts: tuple[Part, ...]) -> list[int]:
    """Return, for each part, the first one with the same onsets and pitches, perhaps itself."""
    first = list(range(len(parts)))
    by_length: dict[int, list[int]] = defaultdict(list)
    for i, part in enumerate(parts):
        if len(part):
            by_length[len(part)].append(i)
    for same_length in by_length.values():
        if len(same_length) > 1:
            seen: dict[tuple[bool, bytes, bytes], int] = {}
            for i in same_length:
                part = parts[i]
                key = (part.is_drum, part.onset_ticks.tobytes(), part.pitch.tobytes())
                first[i] = seen.setdefault(key, i)
    return first


def _find_instruments(
    parts: tuple[Part, ...], originals: list[int]
) -> Iterable[tuple[list[int], str]]:
    """Yield groups of tracks that are one instrument, and the reason."""
    kit = [i for i in originals if parts[i].is_drum]
    if len(kit) > 1:
        yield kit, _KIT
    by_stem: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i in originals:
        if not parts[i].is_drum:
            stem, _ = _split_hand(parts[i].name[:_MAX_NAME_LENGTH])
            by_stem[stem, parts[i].program].append(i)
    strings = list(_find_strings(parts, originals))
    yield from ((found, _STRINGS) for found in strings)
    joined = {i for found in strings for i in found}
    for (stem, program), found in by_stem.items():
        if len(found) < 2 or joined.intersection(found):
            continue
        hands = [_split_hand(parts[i].name[:_MAX_NAME_LENGTH])[1] for i in found]
        named = _KEYBOARD_NAME.search(stem) is not None
        same_name = stem and len(set(hands)) == 1
        if all(hands) and 2 == len(set(hands)) == len(found) and (named or program in _KEYBOARDS):
            yield found, _HANDS
        # Program 0 is also that of files that do not specify instruments.
        elif same_name and len(found) <= 3 and (named or (program and program in _KEYBOARDS)):
            yield found, _STAVES
        elif same_name and _take_turns([parts[i] for i in found]):
            yield found, _BY_TURNS


def _find_strings(parts: tuple[Part, ...], originals: list[int]) -> Iterable[list[int]]:
    """Yield groups of tracks that are the strings of one plucked instrument."""
    by_name: dict[tuple[str, int], list[int]] = defaultdict(list)
    has_label: dict[tuple[str, int], bool] = {}
    for i in originals:
        part = parts[i]
        if not part.is_drum and part.program in _PLUCKED and len(part):
            name = " ".join(part.name[:_MAX_NAME_LENGTH].lower().split())
            stem, n_labels = _STRING_LABEL.subn(" ", name)
            key = (" ".join(stem.split()), part.program)
            by_name[key].append(i)
            has_label[key] = has_label.get(key, True) and n_labels > 0
    for key, found in by_name.items():
        at_least = _MIN_STRINGS if key[0] else _MIN_UNNAMED_STRINGS
        if has_label[key]:
            at_least = 2
        if at_least <= len(found) <= _MAX_STRINGS and all(_is_monophonic(parts[i]) for i in found):
            yield found


def _is_monophonic(part: Part) -> bool:
    """Return whether the notes of a part hardly ever overlap."""
    onset, duration = part.onset_ticks, part.duration_ticks
    order = np.argsort(onset, kind="stable")
    gap = np.diff(onset[order])
    overlap = np.maximum(duration[order][:-1] - gap, 0).sum()
    return bool(overlap <= _MAX_OVERLAP_SHARE * duration.sum())


@lru_cache(maxsize=4096)
def _split_hand(name: str) -> tuple[str, str]:
    """Return a track's name without the hand it mentions, and that hand ("" if none)."""
    plain = " ".join(name.lower().split())
    hands = " ".join(_HAND.findall(plain))
    return re.sub(r"[\W_]+", " ", _HAND.sub(" ", plain)).strip(), hands


def _take_turns(parts: list[Part]) -> bool:
    """Return whether these tracks hardly ever sound at once."""
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
    return bool(shared <= _MAX_OVERLAP_SHARE * lengths.min())


def _merge(parts: list[Part], reason: str) -> tuple[Part, int]:
    """Return one part made of several, and the number of notes dropped or shortened."""
    if len(parts) == 1:
        return parts[0], 0
    onset, duration, pitch, velocity = (
        np.concatenate([getattr(part, name) for part in parts]) for name in NOTE_COLUMNS
    )
    keep, duration, n_changed = resolve_overlaps(onset, duration, pitch)
    name = parts[0].name
    if reason == _HANDS:
        name = " ".join(_HAND.sub(" ", name).split()).strip(" -_,.:;()[]") or "Keyboard"
    elif reason == _STRINGS and len({part.name for part in parts}) > 1:
        name = " ".join(_STRING_LABEL.sub(" ", name).split()).strip(" -_,.:;()[]") or "Guitar"
    elif reason == _KIT and len({part.name for part in parts}) > 1:
        name = "Drums"
    merged = replace(parts[0], name=name)
    return merged.with_notes(onset[keep], duration[keep], pitch[keep], velocity[keep]), n_changed


def _describe(parts: tuple[Part, ...], lines: list[list[int]], reason: str) -> str:
    """Return one line on a merged part: which tracks, and why; empty if nothing was merged.

    Tracks of one line double each other.
    """
    if not reason and len(lines[0]) == 1:
        return ""
    reasons = [reason] if reason else []
    reasons += [f"{len(line)} tracks with the same notes" for line in lines if len(line) > 1]
    tracks = [
        f"{i + 1} {parts[i].name.strip()[:40]!r}".removesuffix(" ''")
        for i in sorted(i for line in lines for i in line)
    ]
    shown = ", ".join(tracks[:6]) + (f" and {len(tracks) - 6} more" if len(tracks) > 6 else "")
    return f"tracks {shown}: {', '.join(reasons[:3])}"
