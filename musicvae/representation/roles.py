"""Role of each part of a song: melody, bass, chords, drums or other.

Parts are classified by the music first: how often a part is the highest or lowest line, how many
notes it plays at a time, its register, how much of the song it plays; then by General MIDI program
and by name. The classification works without names; `docs/parts.md` reports its accuracy.

- `melody`: the line one would sing. At most one, unless others double it in octaves or unison.
- `bass`: a lowest line.
- `chords`: several notes at a time, with or without a melody among them (a solo piano).
- `drums`: a drum kit.
- `other`: inner voices, second melodies, effects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from musicvae.arrays import Ints, ragged_range
from musicvae.song import Part, Song

RoleName = Literal["melody", "bass", "chords", "drums", "other"]

_MAX_ONSETS = 2048  # onsets of a song that are examined, evenly spaced
_MAX_TABLE_SIZE = 1 << 21  # entries of the tables below, for songs of very many parts or notes


@dataclass(frozen=True, kw_only=True)
class Role:
    """Role of a part.

    `reason` is one line with the measures that decided. `confidence` is 0.5 if another role is as
    likely, up to 1 if none is.
    """

    name: RoleName
    reason: str
    confidence: float


class PartMeasures(NamedTuple):
    """Measures of one part among the pitched parts of its song; shares are 0..1."""

    highest: float  # share of the onsets at which it sounds where no other part is higher
    lowest: float  # share of the onsets at which it sounds where no other part is lower
    sounding: float  # share of all onsets at which it sounds
    voices: float  # mean number of simultaneous notes while it sounds
    spread: float  # mean distance between its simultaneous notes, in semitones
    pitch: float  # mean MIDI pitch
    n_pitches: int  # number of different pitches


_DRUM_CHANNEL_ROLE = Role(name="drums", reason="on the drum channel", confidence=1.0)
_SILENT_ROLE = Role(name="other", reason="no notes", confidence=1.0)
_HAND_SPAN = 11  # semitones that one hand, or one line, hardly exceeds on average
_MIN_MELODY_SCORE = 1.2
_MIN_BASS_SCORE = 0.5
_MAX_NAME_LENGTH = 100  # names are cut to this length before they are matched
_MIN_CHORD_VOICES = 1.4  # simultaneous notes from which on a part is chords
_GUITAR_FAMILY, _BASS_FAMILY = 3, 4  # families of eight programs
_TIMPANI, _FIRST_UNPITCHED = 47, 119  # programs
# Melody scores of the families of programs, and of programs that differ from their family.
_FAMILY_MELODY_SCORE = (
    *(0.0, 0.0, 0.0, 0.0, -2.0, 0.2, 0.0, 0.2),
    *(0.3, 0.4, 0.3, -0.4, -0.2, 0.2, -1.0, -2.0),
)
_PROGRAM_MELODY_SCORE = {
    31: -0.3,
    44: -0.3,
    45: -0.3,
    _TIMPANI: -1.0,
    53: 0.3,
    55: -0.5,
    _FIRST_UNPITCHED: -2.0,
}

_NAME_WORDS: dict[str, str] = {
    "drums": r"drums|drum ?(?:kit|set)|dr[mu]|drms|drumz|percussions?|percu|schlagzeug|schlagwerk"
    r"|batterie|bater[ií]a|batteria|trommeln|kit|ドラム|鼓",
    "bass": r"(?!bass[ -](?:lead|drum|clarinet|flute|trombone|clef))(?:bass(?:es|line)?|basso?"
    r"|basse|bajo|baixo|bas|basu|kontraba(?:ss|ß)|contraba(?:ss|jo|ixo|sso|s)|contrebasse|ベース)",
    "chords": r"chords?|akkorde?|accords?|acordes?|accordi|pads?|rhythm|rhythmus|ritmica|comping"
    r"|accomp\w*|begleitung|acompa\w*|harmony|harmonies|strum\w*|コード",
    # "Lead" is excluded where it only names a synthesizer sound.
    "melody": r"m[eé]lod(?:y|ies?|ia|ía|i)|(?<!square )(?<!sawtooth )(?<!calliope )(?<!chiff )"
    r"(?<!charang )(?<!fifths )(?<!bass )(?<!voice )lead(?! \d)|vocals?|vox|voice|voix|voz|voce"
    r"|singer|sing|\w*stimme|gesang|chant|canto|cantus|zang|sång|solo|soliste?|tune|theme|thema"
    r"|tema|sopran[oi]?|descant|diskant|discantus|superius|メロディー?|ボーカル|主旋律",
}
_NAME_PATTERNS = {
    role: re.compile(r"(?<![^\W\d_])(?:" + words + r")(?![^\W\d_])", re.IGNORECASE)
    for role, words in _NAME_WORDS.items()
}


def classify_roles(song: Song) -> tuple[Role, ...]:
    """Return the role of each part of `song`, in their order."""
    parts = song.parts
    roles: list[Role | None] = [None] * len(parts)
    pitched: list[int] = []
    for i, part in enumerate(parts):
        if part.is_drum:
            roles[i] = _DRUM_CHANNEL_ROLE
        elif not part.pitch.size:
            roles[i] = _SILENT_ROLE
        elif _role_from_name(part.name[:_MAX_NAME_LENGTH]) == "drums":
            roles[i] = Role(
                name="drums", reason=f"named {part.name.strip()[:40]!r}", confidence=0.8
            )
        else:
            pitched.append(i)
    if pitched:
        lines = [parts[i] for i in pitched]
        classified = _classify_pitched(lines, measure_parts(lines), len(pitched) == len(parts))
        for i, role in zip(pitched, classified, strict=True):
            roles[i] = role
    return tuple(role for role in roles if role is not None)


def _classify_pitched(
    parts: list[Part], measures: list[PartMeasures], unaccompanied: bool
) -> list[Role]:
    """Return the roles of the pitched parts of a song; `unaccompanied` if it has no others."""
    names = [_role_from_name(part.name[:_MAX_NAME_LENGTH]) for part in parts]
    if len(parts) == 1 and (unaccompanied or measures[0].voices >= _MIN_CHORD_VOICES):
        only: RoleName = "melody" if measures[0].voices < _MIN_CHORD_VOICES else "chords"
        margin = 2 * abs(measures[0].voices - _MIN_CHORD_VOICES)
        return [
            _make_role(only, parts[0], measures[0], names[0], margin, "the only part with a pitch")
        ]
    scores = [_melody_score(p, m, name) for p, m, name in zip(parts, measures, names, strict=True)]
    ranks = sorted(range(len(parts)), key=lambda i: -scores[i])
    best = ranks[0]
    second = scores[ranks[1]] if len(ranks) > 1 else _MIN_MELODY_SCORE - 0.5
    melodies = [best] if scores[best] >= _MIN_MELODY_SCORE else []
    melodies += [i for i in ranks[1:] if melodies and _is_doubling(parts[i], parts[best])]
    others = [i for i in ranks if i not in melodies]
    if len(melodies) > 1:
        second = scores[others[0]] if others else 0.0
    roles = []
    for i, (part, measured, name) in enumerate(zip(parts, measures, names, strict=True)):
        if i in melodies:
            margin = min(scores[best] - second, scores[best] - _MIN_MELODY_SCORE + 0.3)
            roles.append(_make_role("melody", part, measured, name, margin))
            continue
        bass = _bass_score(part, measured, name)
        if bass >= _MIN_BASS_SCORE:
            margin = 2 * (bass - _MIN_BASS_SCORE)
            roles.append(_make_role("bass", part, measured, name, margin))
            continue
        chords = measured.voices - _MIN_CHORD_VOICES + 0.2 * measured.lowest
        chords += 0.4 if name == "chords" else 0.0
        is_chords = chords >= 0 and part.program < _FIRST_UNPITCHED
        role: RoleName = "chords" if is_chords else "other"
        margin = 2 * min(abs(chords), abs(bass - _MIN_BASS_SCORE) + 0.1)
        roles.append(_make_role(role, part, measured, name, margin))
    return roles


def _melody_score(part: Part, m: PartMeasures, name: str) -> float:
    """Return how well a part would do as the melody."""
    score = m.highest * (0.5 + 0.5 * m.sounding) + 1.3 / m.voices - 0.7 * m.lowest * (1 - m.highest)
    score += 0.4 * min(1.0, 2.5 * m.sounding) + 0.3 * min(1.0, m.n_pitches / 8)
    score += _PROGRAM_MELODY_SCORE.get(part.program, _FAMILY_MELODY_SCORE[part.program >> 3])
    if m.spread > _HAND_SPAN and m.voices > 1.8 and m.lowest > 0.5:
        score -= 1.5  # melody and accompaniment in one
    if m.pitch < 50:
        score -= 0.05 * (50 - m.pitch)
    return score + (1.0 if name == "melody" else -1.0 if name else 0.0)


def _bass_score(part: Part, m: PartMeasures, name: str) -> float:
    """Return how well a part would do as the bass; it is one from 0.5 on."""
    score = 0.9 * m.lowest * min(1.0, 1.2 / m.voices) - 0.04 * (m.pitch - 52)
    score -= 0.3 * m.highest
    if part.program >> 3 == _BASS_FAMILY:
        score += 0.7
    elif (
        part.program >> 3 == _GUITAR_FAMILY
        or part.program == _TIMPANI
        or part.program >= _FIRST_UNPITCHED
    ):
        score -= 0.3
    return score + (0.5 if name == "bass" else -0.5 if name else 0.0)


def _is_doubling(a: Part, b: Part) -> bool:
    """Return whether two parts play the same line in unison or octaves."""
    if a.pitch.size != b.pitch.size or not np.array_equal(a.onset_ticks, b.onset_ticks):
        return False
    interval = a.pitch - b.pitch
    return bool(interval[0] % 12 == 0 and (interval == interval[0]).all())


@lru_cache(maxsize=4096)
def _role_from_name(name: str) -> str:
    """Return the role that a part's name mentions, "" if none."""
    return next((role for role, words in _NAME_PATTERNS.items() if words.search(name)), "")


def _make_role(
    role: RoleName, part: Part, m: PartMeasures, name: str, margin: float, first_reason: str = ""
) -> Role:
    """Return a role with its reason; a `margin` of 1 to the next best role is certain."""
    reasons = [first_reason] if first_reason else []
    if not first_reason and role != "bass" and (role == "melody" or m.highest > m.lowest):
        reasons.append(f"highest line in {m.highest:.0%} of onsets")
    elif not first_reason:
        reasons.append(f"lowest line in {m.lowest:.0%} of onsets")
    one = m.voices < 1.05
    reasons.append("one note at a time" if one else f"{m.voices:.1f} notes at a time")
    if role == "bass" and part.program >> 3 == _BASS_FAMILY:
        reasons.append(f"program {part.program} (a bass)")
    if name == role:
        reasons.append(f"named {part.name.strip()[:40]!r}")
    confidence = 0.5 + 0.5 * min(max(margin, 0.0), 1.0)
    return Role(name=role, reason=", ".join(reasons), confidence=round(confidence, 2))


def measure_parts(parts: list[Part]) -> list[PartMeasures]:
    """Return the measures of pitched parts that sound together, none of them empty."""
    R = len(parts)
    onset = np.concatenate([part.onset_ticks for part in parts])
    duration = np.concatenate([part.duration_ticks for part in parts])
    pitch = np.concatenate([part.pitch for part in parts])
    count = np.array([part.pitch.size for part in parts])
    first = count.cumsum() - count
    part = np.arange(R).repeat(count)
    stop = onset + duration
    n_outer, n_sounding, total_spread, n_onsets = _outer_lines(onset, stop, pitch, part, R)
    # The parts are laid end to end in time, so that one running maximum serves all of them.
    shift = part * (int(stop.max()) + 1)
    begin, until = onset + shift, np.maximum.accumulate(stop + shift)
    sounding_ticks = until.copy()
    sounding_ticks[0] -= begin[0]
    sounding_ticks[1:] -= np.maximum(until[:-1], begin[1:])
    used = np.zeros((R, 128), bool)
    used[part, pitch] = True
    sums = [np.add.reduceat(column, first) for column in (duration, sounding_ticks, pitch)]
    columns = (*n_outer, n_sounding, total_spread, count, *sums, used.sum(1))
    return [
        PartMeasures(
            highest=highest / (n or 1),
            lowest=lowest / (n or 1),
            sounding=n / n_onsets,
            voices=length / (time or 1),
            spread=spread / (n or 1),
            pitch=total_pitch / n_notes,
            n_pitches=n_pitches,
        )
        for highest, lowest, n, spread, n_notes, length, time, total_pitch, n_pitches in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]


def _outer_lines(
    onset: Ints, stop: Ints, pitch: Ints, part: Ints, R: int
) -> tuple[Ints, Ints, Ints, int]:
    """Return counts over the examined onsets of a song.

    At how many each part is the highest and the lowest `(2, R)`, at how many it sounds `(R,)`, the
    sum of its spreads in semitones `(R,)`, and the number of onsets.
    """
    times = np.sort(onset)
    is_new = np.ones(len(times), bool)
    np.not_equal(times[1:], times[:-1], out=is_new[1:])
    times = times[is_new]
    limit = max(min(_MAX_ONSETS, _MAX_TABLE_SIZE // R), 1)
    if len(times) > limit:
        times = times[:: -(-len(times) // limit)]
    while True:
        start = times.searchsorted(onset)
        length = times.searchsorted(stop) - start
        total = int(length.sum())
        if total <= _MAX_TABLE_SIZE or len(times) == 1:
            break
        times = times[:: -(-total // _MAX_TABLE_SIZE)]
    # Each note at each time it sounds, low notes first: of several the last one written stays.
    T = len(times)
    order = pitch.astype(np.uint8).argsort(kind="stable")
    length = length[order]
    cell = ragged_range(length, (start + part * T)[order])
    value = pitch[order].repeat(length)
    outer = np.full((2, R * T), -1, np.int16)  # the highest pitch; how far the lowest is below 127
    outer[0, cell] = value
    outer[1, cell[::-1]] = 127 - value[::-1]
    edges = outer.reshape(2, R, T)
    sounds = edges[0] >= 0
    n_sounding = sounds.sum(1)
    n_outer = ((edges == edges.max(1, keepdims=True)) & sounds).sum(2)
    total_spread = edges.sum((0, 2)) + 2 * (T - n_sounding) - 127 * n_sounding
    return n_outer, n_sounding, total_spread, T
