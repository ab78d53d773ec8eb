"""Songs with known chords: lead sheets and made progressions, accompanied in many styles.

Lead sheets have a melody and chord symbols. Here they get accompaniments whose notes follow the
symbols as players do: broken, syncopated, ahead of the beat, with notes added and left out, over
basses of their own. Progressions are drawn as well, with a melody over them, since lead sheets of
old have few of the chords of today.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from musicvae.chords import QUALITIES, Chord, ChordMap
from musicvae.chords.spelling import spell
from musicvae.chords.vocabulary import QUALITY_INDEX
from musicvae.song import KeyMap, Part, Song

TPQ = 480
Note = tuple[float, float, int]
"""Onset and duration in quarters, pitch."""


@dataclass
class Segment:
    """A chord from `start` to `stop`, in quarters, and the pitches of its voicing."""

    start: float
    stop: float
    chord: Chord
    bass: int = 40
    voicing: list[int] = field(default_factory=list)


@dataclass
class Player:
    """How one accompanist plays: style, habits, and the generator of what is left to chance."""

    rng: np.random.Generator
    beat: float
    bar: float
    early: float
    ring: float
    thin: float
    color: float

    def chance(self, share: float) -> bool:
        """Return True in `share` of the calls."""
        return bool(self.rng.random() < share)


def voice_chord(player: Player, chord: Chord, previous: list[int]) -> tuple[int, list[int]]:
    """Return a bass pitch and the pitches of a voicing near the previous one."""
    rng = player.rng
    intervals = sorted(QUALITIES[chord.quality].intervals)
    if len(intervals) > 4 and player.chance(0.7):
        intervals = [i for i in intervals if i != 7]
    if len(intervals) == 4 and 7 in intervals and player.chance(player.thin):
        intervals.remove(7)
    if player.chance(player.color) and not {1, 2, 3} >= set(intervals):
        intervals.append(2)
    root = 7 * chord.root % 12
    low = int(np.mean(previous)) - 6 if previous else int(rng.integers(52, 62))
    low = int(np.clip(low + rng.integers(-2, 3), 48, 66))
    voicing = sorted(low + (root + i - low) % 12 for i in intervals)
    if player.chance(0.2) and len(voicing) < 5:
        voicing.append(voicing[0] + 12)
    return 36 + (7 * chord.bass - 36) % 12 + 12 * int(rng.random() < 0.3), voicing


def block(player: Player, seg: Segment) -> list[Note]:
    """Chords at each change, beat or half bar, with their bass."""
    every = player.rng.choice([player.beat, 2 * player.beat, player.bar])
    return [
        (t, min(every, seg.stop - t), pitch)
        for t in np.arange(seg.start, seg.stop - 1e-6, every)
        for pitch in (seg.bass, *seg.voicing)
    ]


def stride(player: Player, seg: Segment) -> list[Note]:
    """Bass on strong beats, root and fifth in turn, chords on the others."""
    notes: list[Note] = []
    fifth = seg.bass + (7 if seg.bass < 43 else -5)
    has_fifth = 7 in QUALITIES[seg.chord.quality].intervals
    triple = abs(player.bar / player.beat - 3) < 0.1
    for i, t in enumerate(np.arange(seg.start, seg.stop - 1e-6, player.beat)):
        at_bass = i % 3 == 0 if triple else i % 2 == 0
        if at_bass:
            alternate = has_fifth and (i // (3 if triple else 2)) % 2
            notes.append((t, player.beat * 0.9, fifth if alternate else seg.bass))
        else:
            notes += [(t, player.beat * 0.5, pitch) for pitch in seg.voicing]
    return notes


def broken(player: Player, seg: Segment) -> list[Note]:
    """Arpeggios in eighths, triplets or sixteenths: up, up and down, or Alberti."""
    step = player.beat / player.rng.choice([2, 2, 3, 4])
    tones = [seg.bass, *seg.voicing] if player.chance(0.7) else list(seg.voicing)
    order = {
        0: tones,
        1: tones + tones[-2:0:-1],
        2: [tones[0], tones[-1], tones[len(tones) // 2], tones[-1]],
    }[int(player.rng.integers(3))]
    hold = step if player.chance(0.5) else 3 * step
    times = np.arange(seg.start, seg.stop - 1e-6, step)
    return [
        (t, min(hold, seg.stop - t + player.ring), order[i % len(order)])
        for i, t in enumerate(times)
    ]


def pad(player: Player, seg: Segment) -> list[Note]:
    """A held chord over a repeated bass."""
    notes = [(seg.start, seg.stop - seg.start + player.ring, pitch) for pitch in seg.voicing]
    step = player.beat * player.rng.choice([0.5, 1, 2])
    return notes + [
        (t, min(step, seg.stop - t), seg.bass) for t in np.arange(seg.start, seg.stop - 1e-6, step)
    ]


def strum(player: Player, seg: Segment) -> list[Note]:
    """A syncopated rhythm of chords, with a bass now and then."""
    slots = np.arange(seg.start, seg.stop - 1e-6, player.beat / 2)
    chosen = [i for i in range(len(slots)) if i == 0 or player.chance(0.45)]
    notes: list[Note] = []
    for k, i in enumerate(chosen):
        stop = slots[chosen[k + 1]] if k + 1 < len(chosen) else seg.stop
        length = (stop - slots[i]) * (1.0 if player.chance(0.6) else 0.5)
        notes += [(slots[i], length, pitch) for pitch in seg.voicing]
        if i == 0 or player.chance(0.4):
            notes.append((slots[i], length, seg.bass))
    return notes


def walk(player: Player, seg: Segment) -> list[Note]:
    """A walking bass of chord tones, scale and leading notes, and short chords off the beat."""
    notes: list[Note] = []
    tones = sorted(QUALITIES[seg.chord.quality].intervals)
    pitch = seg.bass
    for i, t in enumerate(np.arange(seg.start, seg.stop - 1e-6, player.beat)):
        if i:
            target = seg.bass + int(player.rng.choice(tones))
            pitch = (
                target if player.chance(0.65) else pitch + int(player.rng.choice([-2, -1, 1, 2]))
            )
            pitch = int(np.clip(pitch, 33, 57))
        notes.append((t, player.beat * 0.9, pitch))
        if player.chance(0.5):
            at = t + player.beat * (0.5 if player.chance(0.6) else 0.66)
            notes += [(at, player.beat * 0.3, p) for p in seg.voicing]
    return notes


def chorale(player: Player, seg: Segment) -> list[Note]:
    """Four parts in beats, with passing and neighbor notes in eighths."""
    voices = [seg.bass, *seg.voicing[-3:]]
    notes: list[Note] = []
    for t in np.arange(seg.start, seg.stop - 1e-6, player.beat):
        length = min(player.beat, seg.stop - t)
        for k, pitch in enumerate(voices):
            if player.chance(0.15):
                other = pitch + int(player.rng.choice([-2, -1, 1, 2]))
                notes += [(t, length / 2, pitch), (t + length / 2, length / 2, other)]
            else:
                notes.append((t, length, pitch))
            if k and player.chance(0.1):
                voices[k] = seg.voicing[int(player.rng.integers(len(seg.voicing)))]
    return notes


def ballad(player: Player, seg: Segment) -> list[Note]:
    """Left hand: root, fifth, octave in eighths; right hand: chords on beats, some of them late."""
    up = (0, 7, 12, 16, 12, 7) if 4 in QUALITIES[seg.chord.quality].intervals else (0, 7, 12, 7)
    notes: list[Note] = [
        (t, player.beat / 2 + player.ring, seg.bass + up[i % len(up)])
        for i, t in enumerate(np.arange(seg.start, seg.stop - 1e-6, player.beat / 2))
    ]
    for t in np.arange(seg.start, seg.stop - 1e-6, player.beat):
        if player.chance(0.7):
            at = t + (player.beat / 2 if player.chance(0.2) else 0)
            notes += [(at, player.beat, pitch + 12) for pitch in seg.voicing[:3]]
    return notes


STYLES: dict[str, Callable[[Player, Segment], list[Note]]] = {
    "block": block, "stride": stride, "broken": broken, "pad": pad, "strum": strum,
    "walk": walk, "chorale": chorale, "ballad": ballad,
}  # fmt: skip
"""Styles of accompaniment; evaluation holds some of them out."""


def recolor(rng: np.random.Generator, chord: Chord, share: float) -> Chord:
    """Return a chord of the same root and third with other additions, in `share` of the calls."""
    if rng.random() >= share or not chord.quality:
        return chord
    intervals = QUALITIES[chord.quality].intervals
    if 4 in intervals and 10 in intervals:
        choices = ["7", "9", "sus4(b7)", "13", "7(b9)"]
    elif 4 in intervals and 8 not in intervals:
        choices = ["maj", "maj7", "maj(9)", "maj6", "sus4", "sus2", "maj9", "maj6(9)"]
    elif 3 in intervals and 6 not in intervals:
        choices = ["min", "min7", "min(9)", "min9", "min6", "min11"]
    else:
        return chord
    return replace(chord, quality=QUALITY_INDEX[str(rng.choice(choices))])


def invert(rng: np.random.Generator, chord: Chord, share: float) -> Chord:
    """Return the chord over its third, fifth or seventh in `share` of the calls."""
    if rng.random() >= share or not chord.quality:
        return chord
    above = [4 if 4 in QUALITIES[chord.quality].intervals else -3, 1, -2]
    if not {10, 11} & QUALITIES[chord.quality].intervals:
        above = above[:2]
    bass = chord.root + int(rng.choice(above))
    return replace(chord, bass=bass if -15 <= bass <= 19 else chord.root)


def draw_progression(
    rng: np.random.Generator, bars: int, beats: int, beat: float
) -> tuple[int, list[Segment]]:
    """Return the fifths of a major key and a progression in it, with borrowed chords."""
    fifths = int(rng.integers(-5, 7))
    triads = {0: "maj", 2: "min", 4: "min", -1: "maj", 1: "maj", 3: "min", 5: "dim"}
    weights = {0: 6.0, 2: 2, 4: 1.5, -1: 4, 1: 4, 3: 4, 5: 0.3}
    loop: list[tuple[int, str]] = []
    length = int(rng.choice([4, 8, 16]))
    for _ in range(length):
        degree = int(
            rng.choice(list(weights), p=np.array([*weights.values()]) / sum(weights.values()))
        )
        quality = triads[degree]
        if rng.random() < 0.08:
            degree, quality = [(2, "7"), (3, "7"), (4, "7"), (-1, "min"), (-4, "maj"), (-2, "maj")][
                int(rng.integers(6))
            ]
        elif degree == 1 and rng.random() < 0.35:
            quality = "7"
        loop.append((degree, quality))
    color, turn = rng.random() ** 2 * 0.8, rng.random() * 0.3
    segments, t, i = [], 0.0, 0
    half = beats / 2 if beats % 2 == 0 else float(beats)
    usual = float(rng.choice([2 * beats, beats, beats, half, beat, beat]))  # harmonic rhythm
    while t < bars * beats:
        shorter = usual / 2 if usual > beat + 1e-6 else usual
        lasts = shorter if rng.random() < 0.2 and (usual / beat) % 2 < 1e-6 else usual
        lasts = 2 * lasts if rng.random() < 0.15 else lasts
        degree, quality = loop[i % length]
        chord = Chord(fifths + degree, QUALITY_INDEX[quality], fifths + degree)
        chord = invert(rng, recolor(rng, chord, color), turn)
        segments.append(Segment(t, t + lasts, chord))
        t, i = t + lasts, i + 1
    return fifths, segments


def draw_melody(rng: np.random.Generator, fifths: int, segments: list[Segment]) -> list[Note]:
    """Return a melody over a progression: chord notes on most beats, steps between."""
    scale = {(7 * fifths + step) % 12 for step in (0, 2, 4, 5, 7, 9, 11)}
    pitch, notes = int(rng.integers(62, 74)), []
    for seg in segments:
        t = seg.start
        while t < seg.stop - 1e-6:
            length = min(float(rng.choice([0.25, 0.5, 0.5, 1, 1, 2])), seg.stop - t)
            if rng.random() < 0.15:
                t += length
                continue
            allowed = seg.chord.pitch_classes if t % 1 == 0 and rng.random() < 0.7 else scale
            near = [p for p in range(pitch - 5, pitch + 6) if p % 12 in allowed and 57 <= p <= 84]
            if near:
                distance = np.array([abs(p - pitch) for p in near])
                odds = np.exp(-distance / 2.0)
                pitch = int(rng.choice(near, p=odds / odds.sum()))
            notes.append((t, length, pitch))
            t += length
    return notes


def accompany(
    rng: np.random.Generator, segments: list[Segment], beat: float, bar: float, styles: list[str]
) -> list[Note]:
    """Return an accompaniment of a progression, in one or two of the styles."""
    player = Player(
        rng=rng, beat=beat, bar=bar,
        early=float(rng.choice([0, 0, 0, 0.15, 0.3])), ring=float(rng.choice([0, 0, 0, 0.25, 0.5])),
        thin=rng.random() * 0.5, color=float(rng.choice([0, 0, 0.1, 0.3])),
    )  # fmt: skip
    chosen = [str(rng.choice(styles)) for _ in range(2)]
    previous: list[int] = []
    notes: list[Note] = []
    for i, seg in enumerate(segments):
        if not seg.chord.quality:
            continue
        seg.bass, seg.voicing = voice_chord(player, seg.chord, previous)
        previous = seg.voicing
        style = chosen[int(i * 2 >= len(segments)) if rng.random() < 0.9 else 1]
        own = STYLES[style](player, seg)
        if player.chance(player.early) and seg.start >= beat:
            ahead = beat / 2
            own = [(t - ahead, d + ahead, p) if t == seg.start else (t, d, p) for t, d, p in own]
        notes += own
    return notes


def to_song(
    melody: list[Note], accompaniment: list[Note], segments: list[Segment],
    meter: tuple[int, int], rng: np.random.Generator,
) -> Song:  # fmt: skip
    """Return the song, with its chords; onsets lie up to a few ticks off."""
    parts = []
    for name, program, notes in (("melody", 73, melody), ("accompaniment", 0, accompaniment)):
        if notes:
            onset, duration, pitch = (np.array(column) for column in zip(*notes, strict=True))
            jitter = rng.normal(0, 6, len(onset)) * (rng.random() < 0.3)
            ticks = np.maximum(np.round(onset * TPQ + jitter), 0).astype(np.int64)
            length = np.maximum(np.round(duration * TPQ), 1).astype(np.int64)
            parts.append(
                Part.empty(name, program).with_notes(
                    ticks, length, np.clip(pitch, 0, 127).astype(np.int64), np.full(len(pitch), 80)
                )
            )
    end = round(segments[-1].stop * TPQ)
    song = Song.new(parts, meter=meter, ticks_per_quarter=TPQ, end_ticks=end)
    chords = ChordMap.from_chords((round(s.start * TPQ), s.chord) for s in segments)
    return replace(song, chords=chords)


def accompany_lead_sheet(sheet: Song, rng: np.random.Generator, styles: list[str]) -> Song:
    """Return a lead sheet with an accompaniment, in another key, with some other chords."""
    tpq, shift = sheet.ticks_per_quarter, int(rng.integers(-5, 7))
    ticks = [*sheet.chords.ticks.tolist(), sheet.end_ticks]
    color, turn = float(rng.choice([0, 0, 0.3])), float(rng.choice([0, 0.1, 0.25]))
    segments = []
    for chord, start, stop in zip(sheet.chords.chords, ticks, ticks[1:], strict=False):
        moved = chord.transpose(shift)
        segments.append(
            Segment(start / tpq, stop / tpq, invert(rng, recolor(rng, moved, color), turn))
        )
    part = sheet.parts[0]
    melody = [
        (t / tpq, d / tpq, p + shift)
        for t, d, p in zip(
            part.onset_ticks.tolist(),
            part.duration_ticks.tolist(),
            part.pitch.tolist(),
            strict=True,
        )
    ]
    numerator, denominator = int(sheet.meter.numerator[-1]), int(sheet.meter.denominator[-1])
    bar = 4 * numerator / denominator
    beat = 1.5 if denominator == 8 and numerator % 3 == 0 else 1.0
    kind = rng.random()
    accompaniment = accompany(rng, segments, beat, bar, styles) if kind < 0.8 else []
    made = to_song(
        [] if 0.7 < kind < 0.8 else melody, accompaniment, segments, (numerator, denominator), rng
    )
    return replace(
        made,
        meter=replace(sheet.meter, ticks=np.round(sheet.meter.ticks * TPQ / tpq)),
        end_ticks=round(sheet.end_ticks * TPQ / tpq),
        key=KeyMap.none(),
    )


def made_song(rng: np.random.Generator, styles: list[str]) -> Song:
    """Return a made progression with its accompaniment, and mostly with a melody."""
    meter = [(4, 4), (4, 4), (4, 4), (3, 4), (6, 8)][int(rng.integers(5))]
    beats = {(4, 4): 4, (3, 4): 3, (6, 8): 3}[meter]
    beat = 1.5 if meter == (6, 8) else 1.0
    fifths, segments = draw_progression(rng, int(rng.integers(12, 40)), beats, beat)
    melody = draw_melody(rng, fifths, segments) if rng.random() < 0.75 else []
    accompaniment = accompany(rng, segments, beat, float(beats), styles)
    return to_song(melody, accompaniment, segments, meter, rng)


def respelled(song: Song) -> Song:
    """Return a song with its chords spelled as if the key were not known."""
    chords = [
        replace(c, root=spell(7 * c.root % 12), bass=spell(7 * c.bass % 12)) if c.quality else c
        for c in song.chords.chords
    ]
    return replace(
        song, chords=ChordMap.from_chords(zip(song.chords.ticks.tolist(), chords, strict=True))
    )
