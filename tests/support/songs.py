"""Small songs made in memory, simple enough to check by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from musicvae.io import write
from musicvae.representation.key import MAJOR_SCALE
from musicvae.song import KeyMap, MeterMap, Part, Song, TempoMap, resolve_overlaps

_CHORDS = ((60, 64, 67), (65, 69, 72), (67, 71, 74), (57, 60, 64))


def part_from_notes(notes: Any, name: str = "", program: int = 0, is_drum: bool = False) -> Part:
    """Return a part from (onset, duration, pitch, velocity) in ticks."""
    columns = np.array(notes, dtype=np.int64).reshape(-1, 4).T
    return Part.empty(name, program, is_drum).with_notes(*columns)


def part_on_grid(
    notes: list[tuple[int, int, int, int]], ticks_per_cell: int = 1, **kind: Any
) -> Part:
    """Return a part from (start, duration, pitch, velocity) in cells, with overlaps resolved."""
    onset, duration, pitch, velocity = np.array(notes, np.int64).reshape(-1, 4).T
    keep, duration, _ = resolve_overlaps(onset, duration, pitch)
    return Part(
        **kind,
        onset_ticks=onset[keep] * ticks_per_cell,
        duration_ticks=duration[keep] * ticks_per_cell,
        pitch=pitch[keep],
        velocity=velocity[keep],
    )


def line_on_grid(pitches: list[int], cells: int = 24, begin: int = 0, **kind: object) -> Part:
    """Return consecutive notes of `cells` stored steps each; pitch 0 is a rest."""
    notes = [(begin + i * cells, cells, p, 70 + i % 5) for i, p in enumerate(pitches) if p]
    return part_on_grid(notes, 20, **kind)


def chorale_song(
    bars: int = 8,
    meter: tuple[int, int] = (4, 4),
    pickup: int = 0,
    transpose: int = 0,
    seed: int = 0,
    qpm: float = 84.0,
) -> Song:
    """Return four voices in quarters and eighths, after a pickup of `pickup` quarters."""
    rng = np.random.default_rng(seed)
    tpq = 480
    quarters = pickup + bars * 4 * meter[0] // meter[1]
    voices: list[list[tuple[int, int, int, int]]] = [[], [], [], []]
    for q in range(quarters):
        chord = _CHORDS[rng.integers(len(_CHORDS))]
        for v, pitch in enumerate((chord[2], chord[1], chord[0], chord[0] - 12)):
            at, high = q * tpq, pitch + transpose
            if rng.random() < 0.3:
                voices[v] += [
                    (at, tpq // 2, high, 80),
                    (at + tpq // 2, tpq // 2, high + 2 - 2 * (v % 2), 70),
                ]
            else:
                voices[v].append((at, tpq, high, 76))
    names = ("Soprano", "Alto", "Tenor", "Bass")
    song = Song.new(
        [part_from_notes(notes, name, 52) for notes, name in zip(voices, names, strict=True)],
        qpm=qpm,
        meter=meter,
        end_ticks=quarters * tpq,
    )
    if not pickup:
        return song
    ticks, numerator, denominator = [0, pickup * tpq], [pickup, meter[0]], [4, meter[1]]
    return Song(
        ticks_per_quarter=tpq,
        parts=song.parts,
        tempo=song.tempo,
        meter=MeterMap(ticks=ticks, numerator=numerator, denominator=denominator),
        key=song.key,
        end_ticks=song.end_ticks,
    )


def band_song(bars: int = 6, qpm: float = 126.0) -> Song:
    """Return lead, piano, bass, pad and drums, more parts than four voices can hold."""
    tpq, bar = 480, 4 * 480
    lead, piano, bass, pad, drums = [], [], [], [], []
    for b in range(bars):
        at, chord = b * bar, _CHORDS[b % 4]
        lead += [(at + i * tpq, tpq // 2, chord[i % 3] + 12, 90 + i) for i in range(4)]
        piano += [(at + i * 960, 900, pitch, 64) for i in (0, 1) for pitch in chord]
        bass += [(at + i * tpq, tpq - 20, chord[0] - 24, 100) for i in range(4)]
        pad.append((at, bar, chord[1], 50))
        drums += [(at + i * tpq // 2, 60, 42, 60 + 20 * (i % 2)) for i in range(8)]
        drums += [(at, 60, 36, 110), (at + 2 * tpq, 60, 38, 105)]
    return Song.new(
        [
            part_from_notes(lead, "Lead", 80),
            part_from_notes(piano, "Piano", 0),
            part_from_notes(bass, "Bass", 33),
            part_from_notes(pad, "Pad", 89),
            part_from_notes(drums, "Drums", 0, True),
        ],
        qpm=qpm,
        end_ticks=bars * bar,
    )


def corpus_folder(folder: Path, n: int = 12, bars: int = 8) -> Path:
    """Write `n` different chorales as MIDI files into a folder, and return it."""
    for i in range(n):
        write(chorale_song(bars=bars, seed=i + 1, transpose=i % 5), folder / f"song-{i:02d}.mid")
    return folder


def wandering_song(bars: int, seed: int = 0, parts: int = 1, drums: bool = False) -> Song:
    """Return lines over changing meters and tempos, with a pickup, ties and rests."""
    rng, tpq = np.random.default_rng(seed), 480
    ticks, meters, at = [0], [(1, 4)], tpq
    tempos: list[tuple[int, int]] = [(0, 500_000)]
    for bar in range(1, bars):
        if bar == 1 or rng.random() < 0.2:
            meters.append([(4, 4), (3, 4), (6, 8), (5, 8), (2, 2), (7, 8)][rng.integers(6)])
            ticks.append(at)
        if rng.random() < 0.1:
            tempos.append((at, int(rng.integers(300_000, 900_000))))
        at += 4 * tpq * meters[-1][0] // meters[-1][1]
    lines = []
    for nth in range(parts):
        now, notes = 0, []
        while now < at:
            length = int(rng.choice([120, 240, 240, 480, 960]))
            if rng.random() < 0.85:
                pitch = int(74 - 9 * nth + rng.integers(-6, 7))
                notes.append((now, min(length, at - now), pitch, int(rng.integers(50, 110))))
            now += length
        lines.append(part_from_notes(notes, f"Line {nth}", 40 + nth))
    if drums:
        lines.append(part_from_notes([(t, 60, 38, 90) for t in range(0, at, tpq)], "Kit", 0, True))
    return Song(
        ticks_per_quarter=tpq,
        parts=tuple(lines),
        tempo=TempoMap(ticks=[t for t, _ in tempos], us_per_quarter=[us for _, us in tempos]),
        meter=MeterMap(
            ticks=ticks, numerator=[n for n, _ in meters], denominator=[d for _, d in meters]
        ),
        key=KeyMap.none(),
        end_ticks=at,
    )


def small_chorale(transpose: int = 0, seed: int = 0, bars: int = 8) -> Song:
    """Return four voices in quarters, in 4/4 after a pickup of a quarter, random by `seed`."""
    rng = np.random.default_rng(seed)
    scale = np.array(MAJOR_SCALE)
    parts = []
    for name, low in (("Soprano", 67), ("Alto", 60), ("Tenor", 55), ("Bass", 43)):
        steps = np.cumsum(rng.integers(-2, 3, 1 + 4 * bars)) % 7
        pitches = (low + scale[steps] + transpose).tolist()
        parts.append(line_on_grid(pitches, name=name, program=52))
    return Song(
        ticks_per_quarter=480,
        parts=tuple(parts),
        tempo=TempoMap.constant(90),
        meter=MeterMap(
            ticks=np.array([0, 480]), numerator=np.array([1, 4]), denominator=np.array([4, 4])
        ),
        key=KeyMap(ticks=np.array([0]), fifths=np.array([-3]), minor=np.array([1])),
        end_ticks=480 * (1 + 4 * bars),
    )


def small_band() -> Song:
    """Return melody, bass and drums in 4/4, with repeated notes and a tie over a bar line."""
    melody = [(0, 12, 72, 90), (12, 12, 72, 60), (24, 24, 74, 80), (84, 36, 76, 100)]
    bass = [(i * 48, 48, 36 + i % 2 * 7, 75) for i in range(8)]
    kit = [(i * 24, 6, 36 if i % 2 == 0 else 38, 100) for i in range(16)]
    kit += [(i * 12, 6, 42, 60 + i % 3 * 10) for i in range(32)]
    return Song.new(
        [
            part_on_grid(melody, 20, name="Lead", program=80),
            part_on_grid(bass, 20, name="Bass", program=33),
            part_on_grid(kit, 20, name="Kit", is_drum=True),
        ],
        qpm=110,
    )
