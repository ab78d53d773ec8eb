"""Songs made in memory, plain enough to reason about, varied enough to be music."""

from __future__ import annotations

import numpy as np

from musicvae.song import Meter, Part, Song

_CHORDS = ((60, 64, 67), (65, 69, 72), (67, 71, 74), (57, 60, 64))


def part_of(notes, name="", program=0, is_drum=False) -> Part:
    """A part from (onset, duration, pitch, velocity) in ticks."""
    columns = np.array(notes, dtype=np.int64).reshape(-1, 4).T
    return Part.empty(name, program, is_drum).with_notes(*columns)


def chorale_song(
    bars: int = 8,
    meter: tuple[int, int] = (4, 4),
    pickup: int = 0,
    transpose: int = 0,
    seed: int = 0,
    qpm: float = 84.0,
) -> Song:
    """Four voices in quarters and eighths; `pickup` quarters before the first full bar."""
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
        [part_of(notes, name, 52) for notes, name in zip(voices, names, strict=True)],
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
        meter=Meter(ticks=ticks, numerator=numerator, denominator=denominator),
        key=song.key,
        end_ticks=song.end_ticks,
    )


def band_song(bars: int = 6, qpm: float = 126.0) -> Song:
    """A lead, a piano in chords, a bass, a pad and drums: more parts than four voices can hold."""
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
            part_of(lead, "Lead", 80),
            part_of(piano, "Piano", 0),
            part_of(bass, "Bass", 33),
            part_of(pad, "Pad", 89),
            part_of(drums, "Drums", 0, True),
        ],
        qpm=qpm,
        end_ticks=bars * bar,
    )


def corpus_folder(folder, n: int = 12, bars: int = 8):
    """A folder of `n` different chorales as MIDI."""
    for i in range(n):
        chorale_song(bars=bars, seed=i + 1, transpose=i % 5).save(folder / f"song-{i:02d}.mid")
    return folder
