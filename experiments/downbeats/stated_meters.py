"""Share of loops and grooves whose stated bar lines are believed.

    python -m experiments.downbeats.stated_meters --seeds 12

Riffs, drum patterns, bass lines, arpeggios and chord loops are made by seed, each in a meter that
its file states correctly. Printed for each kind: the share whose bar lines come out as stated, and
the share whose bars are found (F1 above .9) when the same music is in a file that is wrong: it
states 1/4, it states another meter, or the music begins late.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np

from experiments.common import markdown_head, markdown_row
from experiments.downbeats.evaluate import found_lines, scores
from musicvae.downbeats import estimate_barlines
from musicvae.representation.grid import grid_from_song
from musicvae.song import MeterMap, Part, Song, TempoMap

TICKS = 480
DAMAGES = ("1/4", "another meter", "late")
METERS = ("4/4", "3/4", "5/4", "6/8", "7/8", "7/4", "12/8")
SCALE = np.array([0, 2, 3, 5, 7, 8, 10])
FOUND_F1 = 0.9

Note = tuple[float, float, int, int]  # onset and length in quarters, pitch, velocity
Hits = dict[int, str]  # drum pitch: a line with a character for each sixteenth of the pattern

HOUSE = {36: "x...x...x...x...", 39: "....x.......x...", 46: "..x...x...x...x."}
ROCK = {36: "x.......x.x.....", 38: "....x.......x...", 42: "x.x.x.x.x.x.x.x."}
FUNK = {36: "x..x......x..x..", 38: "....x..x.x..x..x", 42: "x.x.x.x.x.x.x.x."}
BOSSA = {
    36: "x..xx..xx..xx..x" * 2,
    37: "x..x..x...x..x.." + "..x..x..x..x..x.",
    42: "xxxxxxxxxxxxxxxx" * 2,
}
SALSA = {
    56: "x...x.x.x...x.x." * 2,
    76: "..x.x..." + "x..x..x." + "..x.x..." + "x..x..x.",
    36: "...x..x....x..x." * 2,
}
BREAK = {
    36: "x.x.......xx...." + "x.x.......x.....",
    38: "....x..x.x..x..x" + "....x..x.x....x.",
    42: "x.x.x.x.x.x.x.x." * 2,
}
WALTZ = {36: "x...........", 42: "....x...x...", 38: "........x..."}
DRUMS = {
    "house": (HOUSE, "4/4"),
    "rock": (ROCK, "4/4"),
    "funk": (FUNK, "4/4"),
    "bossa": (BOSSA, "4/4"),
    "salsa": (SALSA, "4/4"),
    "breakbeat": (BREAK, "4/4"),
    "waltz": (WALTZ, "3/4"),
}


def bar_quarters(meter: str) -> float:
    """Return the length of a bar."""
    numerator, denominator = (int(n) for n in meter.split("/"))
    return 4 * numerator / denominator


def make_song(
    parts: list[tuple[list[Note], bool]], meter: str, qpm: float, n_bars: int, lead: float = 0.0
) -> Song:
    """Return a song of (notes, is drum) parts; `lead`: quarters of a first, shorter bar."""
    made = []
    for notes, is_drum in parts:
        rows = sorted(note for note in notes if note[0] >= -lead)
        onset, length, pitch, velocity = (np.array(column) for column in zip(*rows, strict=True))
        ticks = np.round((onset + lead) * TICKS).astype(int)
        lengths = np.maximum(np.round(length * TICKS).astype(int), 1)
        made.append(Part.empty(is_drum=is_drum).with_notes(ticks, lengths, pitch, velocity))
    numerator, denominator = (int(n) for n in meter.split("/"))
    end = round((n_bars * bar_quarters(meter) + lead) * TICKS)
    song = Song.new(made, qpm=qpm, meter=(numerator, denominator), end_ticks=end)
    if lead:
        meters = MeterMap(
            ticks=np.array([0, round(lead * TICKS)]),
            numerator=np.array([round(lead), numerator]),
            denominator=np.array([4, denominator]),
        )
        song = replace(song, meter=meters)
    return song


def riff_bar(rng: np.random.Generator, quarters: float, low: int = 48) -> list[Note]:
    """Return one bar of a riff, which begins on the first beat."""
    step = 0.5 if rng.random() < 0.7 else 0.25
    at = np.arange(0, quarters, step)
    keep = rng.random(len(at)) < rng.uniform(0.5, 1.0)
    keep[0] = True
    at = at[keep]
    length = np.diff(np.append(at, quarters)) * rng.choice([0.5, 0.9, 1.0])
    degree = np.clip(np.cumsum(rng.integers(-2, 3, len(at))), -4, 10)
    pitch = low + 12 * (degree // 7) + SCALE[degree % 7]
    columns = (at, length, pitch, rng.integers(70, 100, len(at)))
    return [(float(a), float(n), int(p), int(v)) for a, n, p, v in zip(*columns, strict=True)]


def repeated(bar: list[Note], quarters: float, n_bars: int, moves: list[int]) -> list[Note]:
    """Return a bar repeated, each time moved by the next of `moves`, semitones."""
    return [
        (b * quarters + at, length, pitch + moves[b % len(moves)], velocity)
        for b in range(n_bars)
        for at, length, pitch, velocity in bar
    ]


def drum_notes(hits: Hits, n_bars: int, quarters: float) -> list[Note]:
    """Return a drum pattern over so many bars."""
    cells = len(next(iter(hits.values())))
    total = round(n_bars * quarters * 4)
    return [
        (cell / 4, 0.2, pitch, 80 + 20 * (cell % 4 == 0))
        for pitch, line in hits.items()
        for cell in range(total)
        if line[cell % cells] == "x"
    ]


def with_fills(notes: list[Note], quarters: float, n_bars: int, rng: np.random.Generator) -> list:
    """Return drums with the last half of each fourth bar replaced by toms, then a crash."""
    for bar in range(3, n_bars, 4):
        begin, stop = (bar + 0.5) * quarters, (bar + 1) * quarters
        notes = [note for note in notes if not begin <= note[0] < stop]
        for at in np.arange(begin, stop, 0.25):
            if rng.random() < 0.8:
                notes.append((float(at), 0.2, int(rng.choice([38, 45, 47, 50])), 90))
        if bar + 1 < n_bars:
            notes.append((stop, 0.2, 49, 110))
    return notes


def varied(notes: list[Note], rng: np.random.Generator) -> list[Note]:
    """Return notes as played: one in twelve is left out, velocities vary."""
    kept = [note for i, note in enumerate(notes) if i == 0 or rng.random() > 1 / 12]
    return [(a, n, p, int(np.clip(v + rng.integers(-12, 13), 1, 127))) for a, n, p, v in kept]


def riff(rng: np.random.Generator, meter: str, moves: list[int] | None = None) -> Song:
    """Return a riff of one bar, repeated, or moved along chords."""
    quarters, n_bars = bar_quarters(meter), int(rng.choice([8, 12, 16, 24]))
    notes = repeated(riff_bar(rng, quarters), quarters, n_bars, moves or [0])
    return make_song([(notes, False)], meter, float(rng.integers(80, 160)), n_bars)


def varied_riff(rng: np.random.Generator) -> Song:
    """Return a riff whose fourth bars differ."""
    meter = str(rng.choice(METERS))
    quarters, bar = bar_quarters(meter), riff_bar(rng, bar_quarters(meter))
    notes = repeated(bar, quarters, 16, [0])
    for fourth in range(3, 16, 4):
        begin = fourth * quarters
        notes = [n for n in notes if not begin <= n[0] < begin + quarters]
        notes += [(begin + a, n, p, v) for a, n, p, v in riff_bar(rng, quarters)]
    return make_song([(notes, False)], meter, 110, 16)


def riff_with_pickup(rng: np.random.Generator) -> Song:
    """Return a riff after a first bar of one quarter."""
    meter = str(rng.choice(["4/4", "3/4", "5/4", "7/4"]))
    quarters = bar_quarters(meter)
    notes = repeated(riff_bar(rng, quarters), quarters, 12, [0])
    return make_song([([(-1, 0.5, 55, 80), (-0.5, 0.5, 57, 80), *notes], False)], meter, 110, 12, 1)


def riff_from_upbeat(rng: np.random.Generator) -> Song:
    """Return a riff that enters on the last beat of the first bar."""
    meter = str(rng.choice(METERS))
    quarters = bar_quarters(meter)
    upbeat = [(quarters - 0.5, 0.5, 55, 80)]
    notes = repeated(riff_bar(rng, quarters - 1) + upbeat, quarters, 12, [0])
    notes = [note for note in notes if note[0] >= quarters - 1]
    return make_song([(notes, False)], meter, 110, 12)


def riff_with_tempos(rng: np.random.Generator) -> Song:
    """Return a riff with a tempo change every four bars."""
    song = riff(rng, str(rng.choice(METERS)))
    bar = grid_from_song(song, 24).length_ticks[0]
    ticks = np.arange(0, song.end_ticks, 4 * bar)
    qpm = rng.integers(80, 150, len(ticks))
    tempo = TempoMap(ticks=ticks, us_per_quarter=np.round(60e6 / qpm).astype(int))
    return replace(song, tempo=tempo)


def off_beat_bass(rng: np.random.Generator) -> Song:
    """Return a bass on each "and", over a beat or alone, with a chord for each bar or two."""
    roots = [0, *rng.choice([-5, -4, -2, 3, 5, 7], 3).tolist()]
    chord_bars = int(rng.choice([1, 2]))
    bass = [(i + 0.5, 0.4, 40 + roots[i // (4 * chord_bars) % 4], 90) for i in range(64)]
    parts = [(bass, False)]
    if rng.random() < 0.75:
        pattern = DRUMS[str(rng.choice(["house", "rock", "funk"]))][0]
        parts.append((drum_notes(pattern, 16, 4), True))
    return make_song(parts, "4/4", 124, 16)


def arpeggio(rng: np.random.Generator) -> Song:
    """Return broken chords, four bars of harmony repeated."""
    meter = str(rng.choice(METERS))
    quarters, step = bar_quarters(meter), float(rng.choice([0.5, 0.25]))
    roots, order = [0, *rng.choice([-5, -4, -2, 3, 5, 7], 3).tolist()], rng.permutation(3)
    steps = round(quarters / step)
    notes = [
        ((b * steps + i) * step, step, 52 + roots[b % 4] + (0, 3, 7)[order[i % 3]], 80)
        for b in range(16)
        for i in range(steps)
    ]
    return make_song([(notes, False)], meter, 100, 16)


def chord_loop(rng: np.random.Generator) -> Song:
    """Return four bars of chords repeated: held, on the beats, or off them."""
    meter = str(rng.choice(METERS))
    quarters, roots = bar_quarters(meter), [0, *rng.choice([-5, -4, -2, 3, 5], 3).tolist()]
    held, beats = [(0.0, quarters)], [(float(at), 0.9) for at in np.arange(0, quarters, 1)]
    off = [(0.0, 0.4), *((float(at), 0.4) for at in np.arange(0.5, quarters, 1))]
    rhythm = (held, beats, off)[rng.integers(3)]
    notes = [
        (b * quarters + at, length, 55 + roots[b % 4] + tone, 80)
        for b in range(16)
        for at, length in rhythm
        for tone in (0, 4, 7)
    ]
    bass = [(b * quarters, quarters, 36 + roots[b % 4], 90) for b in range(16)]
    return make_song([(notes, False), (bass, False)], meter, 100, 16)


def groove(rng: np.random.Generator, style: str) -> Song:
    """Return drums, in half of the cases with fills, as played, or with a bass riff."""
    pattern, meter = DRUMS[style]
    quarters = bar_quarters(meter)
    drums = drum_notes(pattern, 16, quarters)
    if rng.random() < 0.5:
        drums = with_fills(drums, quarters, 16, rng)
    if rng.random() < 0.5:
        drums = varied(drums, rng)
    parts = [(drums, True)]
    if rng.random() < 0.5:
        moves = [0, 0, 5, 7] if rng.random() < 0.5 else [0]
        parts.append((repeated(riff_bar(rng, quarters, 36), quarters, 16, moves), False))
    return make_song(parts, meter, float(rng.integers(90, 130)), 16)


KINDS: dict[str, Callable[[np.random.Generator], Song]] = {
    **{f"riff, {meter}": lambda rng, m=meter: riff(rng, m) for meter in METERS},
    "riff along chords": lambda rng: riff(rng, str(rng.choice(METERS)), [0, 0, 5, 7]),
    "riff, blues": lambda rng: riff(rng, "4/4", [0, 0, 0, 0, 5, 5, 0, 0, 7, 5, 0, 7]),
    "riff, fourth bars differ": varied_riff,
    "riff with a pickup": riff_with_pickup,
    "riff from an upbeat": riff_from_upbeat,
    "riff with tempo changes": riff_with_tempos,
    "off-beat bass": off_beat_bass,
    "arpeggios": arpeggio,
    "chord loop": chord_loop,
    **{f"drums, {style}": lambda rng, s=style: groove(rng, s) for style in DRUMS},
}


def damaged(song: Song, kind: str, rng: np.random.Generator) -> tuple[Song, int]:
    """Return the song in a wrong file, and the ticks by which it begins late."""
    if kind == "1/4":
        return replace(song, meter=MeterMap.constant(1, 4)), 0
    if kind == "another meter":
        quarters = 4 * song.meter.numerator[-1] / song.meter.denominator[-1]
        others = [m for m in ((4, 4), (3, 4)) if quarters % (4 * m[0] / m[1])]
        return replace(song, meter=MeterMap.constant(*others[0])), 0
    late = int(rng.integers(1, 4 * TICKS))
    parts = tuple(
        part.with_notes(part.onset_ticks + late, part.duration_ticks, part.pitch, part.velocity)
        for part in song.parts
    )
    return replace(song, parts=parts, end_ticks=song.end_ticks + late), late


def outcome(job: tuple[str, int]) -> tuple[str, bool, list[bool]]:
    """Return the kind, whether the file was believed, and whether bars were found by damage."""
    kind, seed = job
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    song = KINDS[kind](rng)
    grid = grid_from_song(song, 24)
    lines = grid.start_ticks[int(grid.lead_steps[0] > 0) :]
    truth = song.tempo.seconds(lines, TICKS)
    estimate = estimate_barlines(song)
    believed = scores(song, found_lines(estimate), [truth])[0] > 0.99
    found = []
    for damage in DAMAGES:
        worse, late = damaged(song, damage, rng)
        lines_s = [worse.tempo.seconds(lines + late, TICKS)]
        found.append(scores(worse, found_lines(estimate_barlines(worse)), lines_s)[0] > FOUND_F1)
    return kind, believed, found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=12, help="songs of each kind")
    parser.add_argument("--first-seed", type=int, default=0)
    args = parser.parse_args()
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    jobs = [(kind, seed) for kind in KINDS for seed in seeds]
    with ProcessPoolExecutor() as pool:
        results = list(pool.map(outcome, jobs, chunksize=4))
    print(markdown_head(["music", "songs", "believed", *(f"found: {d}" for d in DAMAGES)]))
    for kind in (*KINDS, "all"):
        mine = [r for r in results if kind in ("all", r[0])]
        columns = [np.mean([r[1] for r in mine]), *np.mean([r[2] for r in mine], axis=0)]
        print(markdown_row([kind, str(len(mine)), *(f"{share:.0%}" for share in columns)]))


if __name__ == "__main__":
    main()
