"""Floor 2: what each part of a song is there for: melody, bass, chords, drums or other.

Judged by the music first: who is highest and who is lowest at each onset, how many notes a part
plays at a time, where it lies, how much of the song it plays; then by General MIDI program and by
the part's name. The judgement stands without names; see `docs/parts.md` for how well.

- `melody`: the line one would sing. At most one, unless another doubles it in octaves or unison.
- `bass`: a lowest line.
- `chords`: several notes at a time, with or without a melody among them (a piano alone).
- `drums`: a kit.
- `other`: inner voices, second melodies, effects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from musicvae.song import Ints, Part, Song

RoleName = Literal["melody", "bass", "chords", "drums", "other"]

_MOST_TIMES = 2048  # onsets of a song that are looked at, evenly chosen
_MOST_CELLS = 1 << 21  # of the tables below, for songs of very many parts or notes


@dataclass(frozen=True, kw_only=True)
class Role:
    """What a part is there for. `reason` is one line with the figures that decided.

    `confidence` is 0.5 where another role would do as well, and 1 where none would.
    """

    name: RoleName
    reason: str
    confidence: float


class Figures(NamedTuple):
    """Measures of one part among the pitched parts of its song; shares are 0..1."""

    highest: float  # share of the onsets at which it sounds where no other part is higher
    lowest: float  # the same, lower
    sounding: float  # share of all onsets at which it sounds
    voices: float  # notes at a time while it sounds
    spread: float  # semitones from its lowest to its highest note at one time, on average
    pitch: float  # mean MIDI number
    pitches: int  # how many different ones


_ON_DRUM_CHANNEL = Role(name="drums", reason="on the drum channel", confidence=1.0)
_SILENT = Role(name="other", reason="no notes", confidence=1.0)
_A_HAND = 11  # semitones that one hand, or one line, does not span on average
_MELODY_AT_LEAST = 1.2
_NAME_LENGTH = 100  # of a name only so much is looked at
_SEVERAL = 1.4  # notes at a time, from which on a part is chords
_GUITAR, _BASS = 3, 4  # families of eight programs
_TIMPANI, _NOISES = 47, 119  # a program; the first of those that have no pitch
# How much each family of programs speaks for a melody, and single programs that differ.
_SINGING = (0.0, 0.0, 0.0, 0.0, -2.0, 0.2, 0.0, 0.2, 0.3, 0.4, 0.3, -0.4, -0.2, 0.2, -1.0, -2.0)
_SINGING_ALONE = {31: -0.3, 44: -0.3, 45: -0.3, _TIMPANI: -1.0, 53: 0.3, 55: -0.5, _NOISES: -2.0}

_WORDS: dict[str, str] = {
    "drums": r"drums|drum ?(?:kit|set)|dr[mu]|drms|drumz|percussions?|percu|schlagzeug|schlagwerk"
    r"|batterie|bater[ií]a|batteria|trommeln|kit|ドラム|鼓",
    "bass": r"(?!bass[ -](?:lead|drum|clarinet|flute|trombone|clef))(?:bass(?:es|line)?|basso?"
    r"|basse|bajo|baixo|bas|basu|kontraba(?:ss|ß)|contraba(?:ss|jo|ixo|sso|s)|contrebasse|ベース)",
    "chords": r"chords?|akkorde?|accords?|acordes?|accordi|pads?|rhythm|rhythmus|ritmica|comping"
    r"|accomp\w*|begleitung|acompa\w*|harmony|harmonies|strum\w*|コード",
    # Leads that are no more than the name of a sound say nothing.
    "melody": r"m[eé]lod(?:y|ies?|ia|ía|i)|(?<!square )(?<!sawtooth )(?<!calliope )(?<!chiff )"
    r"(?<!charang )(?<!fifths )(?<!bass )(?<!voice )lead(?! \d)|vocals?|vox|voice|voix|voz|voce"
    r"|singer|sing|\w*stimme|gesang|chant|canto|cantus|zang|sång|solo|soliste?|tune|theme|thema"
    r"|tema|sopran[oi]?|descant|diskant|discantus|superius|メロディー?|ボーカル|主旋律",
}
_NAMES = {
    role: re.compile(r"(?<![^\W\d_])(?:" + words + r")(?![^\W\d_])", re.IGNORECASE)
    for role, words in _WORDS.items()
}


def roles_of(song: Song) -> tuple[Role, ...]:
    """The role of each part of `song`, in their order."""
    parts = song.parts
    roles: list[Role | None] = [None] * len(parts)
    pitched: list[int] = []
    for i, part in enumerate(parts):
        if part.is_drum:
            roles[i] = _ON_DRUM_CHANNEL
        elif not part.pitch.size:
            roles[i] = _SILENT
        elif _named(part.name[:_NAME_LENGTH]) == "drums":
            roles[i] = Role(
                name="drums", reason=f"named {part.name.strip()[:40]!r}", confidence=0.8
            )
        else:
            pitched.append(i)
    if pitched:
        lines = [parts[i] for i in pitched]
        judged = _judged(lines, figures(lines), len(pitched) == len(parts))
        for i, role in zip(pitched, judged, strict=True):
            roles[i] = role
    return tuple(role for role in roles if role is not None)


def _judged(parts: list[Part], found: list[Figures], unaccompanied: bool) -> list[Role]:
    names = [_named(part.name[:_NAME_LENGTH]) for part in parts]
    if len(parts) == 1 and (unaccompanied or found[0].voices >= _SEVERAL):
        role: RoleName = "melody" if found[0].voices < _SEVERAL else "chords"
        sure = 2 * abs(found[0].voices - _SEVERAL)
        return [_role(role, parts[0], found[0], names[0], sure, "the only part with a pitch")]
    scores = [_singing(p, f, name) for p, f, name in zip(parts, found, names, strict=True)]
    ranks = sorted(range(len(parts)), key=lambda i: -scores[i])
    best = ranks[0]
    second = scores[ranks[1]] if len(ranks) > 1 else _MELODY_AT_LEAST - 0.5
    melodies = [best] if scores[best] >= _MELODY_AT_LEAST else []
    melodies += [i for i in ranks[1:] if melodies and _doubles(parts[i], parts[best])]
    others = [i for i in ranks if i not in melodies]
    if len(melodies) > 1:
        second = scores[others[0]] if others else 0.0
    roles = []
    for i, (part, figure, name) in enumerate(zip(parts, found, names, strict=True)):
        if i in melodies:
            sure = min(scores[best] - second, scores[best] - _MELODY_AT_LEAST + 0.3)
            roles.append(_role("melody", part, figure, name, sure))
            continue
        low = _grounding(part, figure, name)
        if low >= 0.5:
            roles.append(_role("bass", part, figure, name, 2 * (low - 0.5)))
            continue
        full = figure.voices - _SEVERAL + 0.2 * figure.lowest + (0.4 if name == "chords" else 0.0)
        role = "chords" if full >= 0 and part.program < _NOISES else "other"
        roles.append(_role(role, part, figure, name, 2 * min(abs(full), abs(low - 0.5) + 0.1)))
    return roles


def _singing(part: Part, f: Figures, name: str) -> float:
    """How well a part would do as the melody."""
    score = f.highest * (0.5 + 0.5 * f.sounding) + 1.3 / f.voices - 0.7 * f.lowest * (1 - f.highest)
    score += 0.4 * min(1.0, 2.5 * f.sounding) + 0.3 * min(1.0, f.pitches / 8)
    score += _SINGING_ALONE.get(part.program, _SINGING[part.program >> 3])
    if f.spread > _A_HAND and f.voices > 1.8 and f.lowest > 0.5:
        score -= 1.5  # melody and accompaniment in one
    if f.pitch < 50:
        score -= 0.05 * (50 - f.pitch)
    return score + (1.0 if name == "melody" else -1.0 if name else 0.0)


def _grounding(part: Part, f: Figures, name: str) -> float:
    """How well a part would do as the bass, from 0.5 on it is."""
    score = 0.9 * f.lowest * min(1.0, 1.2 / f.voices) - 0.04 * (f.pitch - 52)
    score -= 0.3 * f.highest
    if part.program >> 3 == _BASS:
        score += 0.7
    elif part.program >> 3 == _GUITAR or part.program == _TIMPANI or part.program >= _NOISES:
        score -= 0.3
    return score + (0.5 if name == "bass" else -0.5 if name else 0.0)


def _doubles(one: Part, other: Part) -> bool:
    """Whether two parts play the same line in unison or octaves."""
    if one.pitch.size != other.pitch.size or not np.array_equal(one.onset_ticks, other.onset_ticks):
        return False
    apart = one.pitch - other.pitch
    return bool(apart[0] % 12 == 0 and (apart == apart[0]).all())


@lru_cache(maxsize=4096)
def _named(name: str) -> str:
    """The role that a part's name speaks of, "" if none."""
    return next((role for role, words in _NAMES.items() if words.search(name)), "")


def _role(
    role: RoleName, part: Part, f: Figures, name: str, margin: float, first: str = ""
) -> Role:
    """A role with its reason; `margin` is how far the next role is, 1 being far."""
    why = [first] if first else []
    if not first and role != "bass" and (role == "melody" or f.highest > f.lowest):
        why.append(f"highest line in {f.highest:.0%} of onsets")
    elif not first:
        why.append(f"lowest line in {f.lowest:.0%} of onsets")
    why.append("one note at a time" if f.voices < 1.05 else f"{f.voices:.1f} notes at a time")
    if role == "bass" and part.program >> 3 == _BASS:
        why.append(f"program {part.program} (a bass)")
    if name == role:
        why.append(f"named {part.name.strip()[:40]!r}")
    sure = 0.5 + 0.5 * min(max(margin, 0.0), 1.0)
    return Role(name=role, reason=", ".join(why), confidence=round(sure, 2))


def figures(parts: list[Part]) -> list[Figures]:
    """Measures of pitched parts heard together, none of them empty."""
    P = len(parts)
    onset = np.concatenate([part.onset_ticks for part in parts])
    duration = np.concatenate([part.duration_ticks for part in parts])
    pitch = np.concatenate([part.pitch for part in parts])
    count = np.array([part.pitch.size for part in parts])
    first = count.cumsum() - count
    part = np.arange(P).repeat(count)
    stop = onset + duration
    wins, heard, reach, T = _outlines(onset, stop, pitch, part, P)
    # Parts laid end to end in time, so that one running maximum serves all of them.
    apart = part * (int(stop.max()) + 1)
    begin, until = onset + apart, np.maximum.accumulate(stop + apart)
    held = until.copy()
    held[0] -= begin[0]
    held[1:] -= np.maximum(until[:-1], begin[1:])
    seen = np.zeros((P, 128), bool)
    seen[part, pitch] = True
    sums = [np.add.reduceat(column, first) for column in (duration, held, pitch)]
    columns = (*wins, heard, reach, count, *sums, seen.sum(1))
    return [
        Figures(
            highest=high / (n or 1),
            lowest=low / (n or 1),
            sounding=n / T,
            voices=length / (time or 1),
            spread=semitones / (n or 1),
            pitch=height / notes,
            pitches=pitches,
        )
        for high, low, n, semitones, notes, length, time, height, pitches in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]


def _outlines(
    onset: Ints, stop: Ints, pitch: Ints, part: Ints, P: int
) -> tuple[Ints, Ints, Ints, int]:
    """At how many onsets each part is highest and lowest `(2, P)`, sounds at all `(P,)`, how many
    semitones it spans at them together `(P,)`; and how many onsets there are."""
    times = np.sort(onset)
    new = np.ones(len(times), bool)
    np.not_equal(times[1:], times[:-1], out=new[1:])
    times = times[new]
    most = max(min(_MOST_TIMES, _MOST_CELLS // P), 1)
    if len(times) > most:
        times = times[:: -(-len(times) // most)]
    while True:
        start = times.searchsorted(onset)
        length = times.searchsorted(stop) - start
        total = int(length.sum())
        if total <= _MOST_CELLS or len(times) == 1:
            break
        times = times[:: -(-total // _MOST_CELLS)]
    # Each note at each time it sounds, low notes first: of several the last one written stays.
    T = len(times)
    order = pitch.astype(np.uint8).argsort(kind="stable")
    length = length[order]
    place = (start + part * T)[order] - length.cumsum() + length
    cell = place.repeat(length) + np.arange(total)
    value = pitch[order].repeat(length)
    outer = np.full((2, P * T), -1, np.int16)  # the highest pitch; how far the lowest is below 127
    outer[0, cell] = value
    outer[1, cell[::-1]] = 127 - value[::-1]
    edges = outer.reshape(2, P, T)
    sounds = edges[0] >= 0
    heard = sounds.sum(1)
    wins = ((edges == edges.max(1, keepdims=True)) & sounds).sum(2)
    reach = edges.sum((0, 2)) + 2 * (T - heard) - 127 * heard
    return wins, heard, reach, T
