"""Pop arrangements of lead sheets: a syncopated melody, an accompaniment, perhaps a second melody.

An arrangement has styles of accompaniment: patterns of the left and the right hand, which change
from section to section and may anticipate a change of the chord by an eighth or a sixteenth. Styles
are drawn from `STYLES` or at random for training, and from `HELD_OUT` for evaluation.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from experiments.downbeats.known_bars import Known
from experiments.downbeats.lead_sheets import LeadSheet
from musicvae.song import MeterMap, Part, Song

TICKS = 480
CELL = 0.25  # quarters
PROGRESSIONS = (  # roots above the tonic; a lower-case chord is minor
    "I V vi IV", "vi IV I V", "I vi IV V", "IV V iii vi", "I iii IV V", "vi V IV V", "ii V I vi",
    "I IV vi V", "IV I V vi", "I I IV V",
)  # fmt: skip
DEGREES = {"I": 0, "ii": 2, "iii": 4, "IV": 5, "V": 7, "vi": 9}
MAJOR = np.array([0, 2, 4, 5, 7, 9, 11])

# Left and right hand, a character for each sixteenth of a bar. Left: root, fifth, octave, tenth
# (R 5 8 T). Right: the chord (C), or one of its notes, from the lowest (0 1 2 3).
Style = tuple[str, str]
STYLES: dict[tuple[int, str], list[Style]] = {
    (16, "4"): [
        ("R...............", "C...C...C...C..."),
        ("R.......R.......", "..C...C...C...C."),
        ("R...5...R...5...", "0.1.2.1.0.1.2.1."),
        ("R.5.8.5.R.5.8.5.", "................"),
        ("R.......5.......", "C.......C......."),
        ("R.....R.R.......", "C..C..C...C..C.."),
        ("R...............", "0123210101232101"),
        ("R.R.R.R.R.R.R.R.", "C.......C...C..."),
        ("R.5.8.T.8.......", "............C..."),
        ("R..R....R..R....", "....C.......C..."),
        ("R...............", "C..............."),
    ],
    (12, "3"): [
        ("R...........", "....C...C..."),
        ("R.5.8.5.8.5.", "............"),
        ("R...........", "0.1.2.3.2.1."),
        ("R.......5...", "C...C...C..."),
        ("R...........", "C.......C..."),
    ],
    (12, "6"): [
        ("R.....5.....", "0.1.2.3.2.1."),
        ("R.....R.....", "..C.C...C.C."),
        ("R.5.8.T.8.5.", "............"),
        ("R...........", "C.....C....."),
    ],
}
HELD_OUT: dict[tuple[int, str], list[Style]] = {
    (16, "4"): [
        ("R.5.T.5.8.5.T.5.", "C..............."),
        ("R.....5...R.....", "C.....C.....C..."),
        ("R.......5.R.....", "..C.C.C.C.C.C.C."),
        ("R...............", "0.2.1.2.0.2.1.2."),
        ("R..5..8.R..5..8.", "..C..C....C..C.."),
        ("R.......R.....R.", "C.C.C.C.C.C.C.C."),
        ("R...........5...", "C.....C...C....."),
        ("R..R..R.........", "C...C.CC.C.CC.C."),
        ("R.8.R.8.R.8.R.8.", "....C.......C..."),
        ("R.....R...5...5.", "...2.1.0...2.1.0"),
    ],
    (12, "3"): [
        ("R.......8...", "..C.C.C.C.C."),
        ("R.5.T.......", "......C.C.C."),
        ("R.....5.....", "0.2.1.2.0.2."),
    ],
    (12, "6"): [
        ("R.......5...", "C...C.C...C."),
        ("R..5..8.....", "......C..C.."),
        ("R.....8.....", "0.2.1.0.2.1."),
    ],
}


def random_style(cells: int, rng: np.random.Generator) -> Style:
    """Return random patterns of both hands, half a bar or a bar long."""
    hands = []
    for signs, mean in (("RRR58", rng.uniform(1, 6)), ("CCC0123", rng.uniform(1, 9))):
        length = cells // 2 if rng.random() < 0.3 else cells
        at = np.arange(length)
        weight = np.where(at % 4 == 0, 3.0, np.where(at % 2 == 0, 2.0, rng.choice([0.1, 1.0])))
        hit = rng.random(length) < weight / weight.mean() * mean / cells
        hit[0] |= signs[0] == "R" and rng.random() < 0.85
        chosen = rng.choice(list(signs), length)
        line = "".join(s if h else "." for s, h in zip(chosen, hit, strict=True))
        hands.append((line * 2)[:cells])
    left, right = hands
    return (left if set(left) != {"."} else "R" + left[1:]), right


def arrange(sheet: LeadSheet, rng: np.random.Generator, *, held_out: bool) -> Known:
    """Return a lead sheet as a pop song in score time, with its meter."""
    sheet = _in_quarters(sheet)
    if rng.random() < 0.6:
        sheet = _with_intro(sheet, rng)
    if rng.random() < 0.12:
        sheet = _with_half_bar(sheet, rng)
    melody = _syncopated(sheet, rng) if rng.random() < 0.75 else sheet.melody
    rows: dict[str, list[Row]] = {}
    if rng.random() < 0.9:
        up = 12 if np.median([p for _, _, p in melody]) < 64 else 0
        rows["MELODY"] = [(a, n, p + up, 90) for a, n, p in melody]
    left, right = _accompaniment(sheet, rng, held_out=held_out)
    if rng.random() < 0.35:
        rows["BRIDGE"] = _bridge(sheet, melody, rng)
    if rng.random() < 0.75:
        rows["PIANO"] = left + right
    else:
        rows |= {"PIANO": right, "BASS": [(a, n, p - 12, v) for a, n, p, v in left]}
    first = min(row[0] for part in rows.values() for row in part)
    lead = float(np.ceil(max(-first, 0.0) / 0.5) * 0.5)
    loudness = str(rng.choice(["same", "random", "accents"]))
    lines = np.array(sheet.bars)
    parts = [_part(name, mine, lead, lines, loudness, rng) for name, mine in rows.items() if mine]
    end = round((sheet.bars[-1] + lead) * TICKS)
    song = Song.new(parts, qpm=float(rng.uniform(66, 140)), end_ticks=end)
    return Known("pop", sheet.name, replace(song, meter=_meter_map(sheet, lead)))


def made_sheet(rng: np.random.Generator) -> LeadSheet:
    """Return a song of four-bar chord loops and melodic motifs, verses and choruses."""
    meter = (4, 4) if rng.random() < 0.8 else (3, 4) if rng.random() < 0.5 else (6, 8)
    full = 4 * meter[0] / meter[1]
    per_chord = float(rng.choice([1, 1, 1, 0.5, 2])) if meter == (4, 4) else 1.0
    tonic, melody, chords, sections = int(rng.integers(12)), [], [], {}
    n_bars = 0
    for name in "AABBAABB"[: int(rng.integers(4, 9))]:
        if name not in sections:
            sections[name] = (str(rng.choice(PROGRESSIONS)).split(), _motif(full, rng))
        progression, motif = sections[name]
        for i in range(round(8 / per_chord)):
            name_of_chord = progression[i % 4]
            tones = (0, 4, 7) if name_of_chord.isupper() else (0, 3, 7)
            root = (DEGREES[name_of_chord] + tonic) % 12
            chords.append(((n_bars + i * per_chord) * full, root, tones))
        for pair in range(4):
            turn = int(rng.integers(-1, 2))
            melody += [
                ((n_bars + 2 * pair) * full + at, n, _scale_pitch(degree + turn, tonic))
                for at, n, degree in motif
            ]
        n_bars += 8
    rows = sorted({round(a, 3): (a, n, p) for a, n, p in melody}.values())
    bars = [i * full for i in range(n_bars + 1)]
    return LeadSheet(f"made {rng.integers(2**31)}", rows, chords, bars, meter)


def _motif(full: float, rng: np.random.Generator) -> list[tuple[float, float, int]]:
    """Return onsets, lengths and degrees of two bars, perhaps with a pickup before the first."""
    step = float(rng.choice([0.25, 0.5, 0.5]))
    begin, stop = -step * int(rng.integers(0, 5)), 2 * full - step * int(rng.integers(2, 6))
    at = np.arange(begin, stop, step)
    beat = np.isclose(at % 1, 0) + 0.5 * np.isclose(at % 0.5, 0)
    keep = rng.random(len(at)) < rng.uniform(0.3, 0.7) + rng.uniform(-0.2, 0.2) * beat
    at = at[keep] if keep.sum() > 2 else at[:3]
    length = np.minimum(np.diff(at, append=stop), 3)
    degree = int(rng.integers(0, 8)) + np.cumsum(rng.integers(-2, 3, len(at)))
    return list(zip(at.tolist(), length.tolist(), degree.tolist(), strict=True))


def _scale_pitch(degree: int, tonic: int) -> int:
    degree = int(np.clip(degree, -4, 14))
    return int(60 + tonic % 12 - 5 * (tonic > 6) + 12 * (degree // 7) + MAJOR[degree % 7])


def _in_quarters(sheet: LeadSheet) -> LeadSheet:
    """Return a sheet in 2/4 with doubled values; pop songs count four."""
    if sheet.meter != (2, 4):
        return sheet if sheet.meter != (2, 2) else replace(sheet, meter=(4, 4))
    return LeadSheet(
        sheet.name,
        [(2 * a, 2 * n, p) for a, n, p in sheet.melody],
        [(2 * a, *rest) for a, *rest in sheet.chords],
        [2 * a for a in sheet.bars],
        (4, 4),
    )


def _with_intro(sheet: LeadSheet, rng: np.random.Generator) -> LeadSheet:
    """Return a sheet whose first bars are heard before, without the melody."""
    n = int(rng.choice([2, 4, 4, 8]))
    if len(sheet.bars) < n + 8:
        return sheet
    begin, span = sheet.bars[0], sheet.bars[n] - sheet.bars[0]
    first = [c for c in sheet.chords if begin - 0.01 <= c[0] < begin + span - 0.01]
    return LeadSheet(
        sheet.name,
        [(a + span, k, p) for a, k, p in sheet.melody],
        first + [(a + span, *rest) for a, *rest in sheet.chords],
        sheet.bars[:n] + [b + span for b in sheet.bars],
        sheet.meter,
    )


def _with_half_bar(sheet: LeadSheet, rng: np.random.Generator) -> LeadSheet:
    """Return a sheet with a bar of two quarters somewhere between bars."""
    if sheet.meter != (4, 4):
        return sheet
    at = sheet.bars[int(rng.integers(len(sheet.bars) // 3, len(sheet.bars) - 2))]
    return LeadSheet(
        sheet.name,
        [(a + 2 * (a >= at - 0.01), n, p) for a, n, p in sheet.melody],
        [(a + 2 * (a >= at - 0.01), *rest) for a, *rest in sheet.chords],
        [b for b in sheet.bars if b <= at + 0.01] + [b + 2 for b in sheet.bars if b >= at - 0.01],
        sheet.meter,
    )


def _syncopated(sheet: LeadSheet, rng: np.random.Generator) -> list[tuple[float, float, int]]:
    """Return the melody with notes of the same places in a bar anticipated, mostly."""
    bars = np.array(sheet.bars)
    places = {q: float(rng.choice([0, 0, 0, 0.5, 0.5, 0.25])) for q in range(8)}
    moved: list[tuple[float, float, int]] = []
    for at, length, pitch in sheet.melody:
        bar = bars[max(int(np.searchsorted(bars, at + 0.01)) - 1, 0)]
        place, early = at - bar, 0.0
        if abs(place - round(place)) < 0.01 and rng.random() < 0.8:
            early = places.get(round(place) % 8, 0.0)
        begin = at - early
        if moved and begin < moved[-1][0] + 0.24:
            begin = at
        if moved:
            a, n, p = moved[-1]
            moved[-1] = (a, min(n, max(begin - a, 0.1)), p)
        moved.append((begin, at + length - begin, pitch))
    return moved


def _styles(cells: int, kind: str, rng: np.random.Generator, *, held_out: bool) -> list[Style]:
    table = (HELD_OUT if held_out else STYLES).get((cells, kind))
    chosen = []
    for _ in range(3):
        made = table is None or (not held_out and rng.random() < 0.5)
        if made or table is None:
            chosen.append(random_style(cells, rng))
        else:
            chosen.append(table[rng.integers(len(table))])
    return chosen


Row = tuple[float, float, int, int]  # onset and length in quarters, pitch, velocity


def _accompaniment(
    sheet: LeadSheet, rng: np.random.Generator, *, held_out: bool
) -> tuple[list[Row], list[Row]]:
    """Return the notes of the left and of the right hand."""
    cells, kind = round(4 * 4 * sheet.meter[0] / sheet.meter[1]), str(min(sheet.meter[0], 6))
    styles = _styles(cells, kind if sheet.meter != (4, 4) else "4", rng, held_out=held_out)
    section = int(rng.choice([4, 8, 8, 16]))
    early = float(rng.choice([0, 0.25, 0.5, 0.5])) if rng.random() < 0.6 else 0.0
    how_often, which = rng.uniform(0.2, 1.0), rng.choice(["both", "right", "left"])
    gates = rng.choice([0.5, 0.9, 1.0], 2)
    fills, skip = rng.random() < 0.4, rng.uniform(0, 0.1) * (rng.random() < 0.5)
    onsets = np.array([a for a, _, _ in sheet.chords])
    hits: list[list[tuple[float, str, int]]] = [[], []]
    last = [-1, -1]
    for b, (begin, stop) in enumerate(zip(sheet.bars[:-1], sheet.bars[1:], strict=True)):
        style = styles[b // section % len(styles)]
        n = round((stop - begin) / CELL)
        anticipates = rng.random() < how_often
        for hand, line in enumerate(style):
            line = (line * 4)[:n]
            if fills and hand and b % section == section - 1 and n == cells:
                line = line[: n // 2] + "".join(rng.choice(list("0123.."), n - n // 2))
            for cell, sign in enumerate(line):
                at = begin + cell * CELL
                chord = max(int(np.searchsorted(onsets, at + 0.01)) - 1, 0)
                if sign == "." or (cell and rng.random() < skip):
                    continue
                changes = chord != last[hand]
                last[hand] = chord
                moves = changes and anticipates and which in ("both", ("left", "right")[hand])
                hits[hand].append((at - early * moves, sign, chord))
    roots = [36 + (root - 4) % 12 + 4 for _, root, _ in sheet.chords]
    low, made = int(rng.choice([53, 55, 57, 60])), []
    for hand, mine in enumerate(hits):
        rows: list[Row] = []
        mine = sorted({at: (at, sign, chord) for at, sign, chord in mine}.values())
        for i, (at, sign, chord) in enumerate(mine):
            after = mine[i + 1][0] if i + 1 < len(mine) else sheet.bars[-1]
            length = max(min((after - at) * gates[hand], 6.0), 0.1)
            _, root, tones = sheet.chords[chord]
            if hand:
                voiced = sorted(low + (root + tone - low) % 12 for tone in tones)
                voiced = [*voiced, voiced[0] + 12]
                pitches = voiced[:3] if sign == "C" else [voiced[int(sign) % len(voiced)]]
            else:
                step = {"R": 0, "5": 7, "8": 12, "T": 12 + tones[1]}[sign]
                pitches = [roots[chord] + step]
            rows += [(at, length, pitch, 76) for pitch in pitches]
        made.append(rows)
    return made[0], made[1]


def _bridge(
    sheet: LeadSheet, melody: list[tuple[float, float, int]], rng: np.random.Generator
) -> list[Row]:
    """Return a second melody: chord tones held, or figures where the melody rests."""
    if rng.random() < 0.5:
        ends = [*(a for a, _, _ in sheet.chords[1:]), sheet.bars[-1]]
        return [
            (a, max(end - a, 0.1), 64 + (root + tones[1] - 64) % 12, 70)
            for (a, root, tones), end in zip(sheet.chords, ends, strict=True)
        ]
    onsets = np.array([a for a, _, _ in sheet.chords])
    rows: list[Row] = []
    for (a, n, _), (after, _, _) in pairwise(melody):
        begin = np.ceil((a + min(n, 2)) * 2) / 2
        for at in np.arange(begin, after - 0.4, 0.5):
            if rng.random() < 0.6:
                _, root, tones = sheet.chords[max(int(np.searchsorted(onsets, at + 0.01)) - 1, 0)]
                tone = int(tones[rng.integers(len(tones))])
                rows.append((float(at), 0.5, 72 + (root + tone) % 12, 70))
    return rows


def _part(
    name: str,
    rows: list[Row],
    lead: float,
    lines: np.ndarray,
    loudness: str,
    rng: np.random.Generator,
) -> Part:
    """Return a part that begins `lead` quarters late; `lines`: bar lines in quarters."""
    unique = sorted({(round(a * TICKS), p): (a, n, p, v) for a, n, p, v in rows}.values())
    onset, length, pitch, velocity = (np.array(c) for c in zip(*unique, strict=True))
    if loudness != "same":
        velocity = velocity + rng.normal(0, rng.uniform(3, 12), len(velocity))
    if loudness == "accents":
        place = onset - lines[np.maximum(np.searchsorted(lines, onset + 0.01) - 1, 0)]
        velocity = velocity + 8 * (np.abs(place % 1) < 0.01) + 8 * (np.abs(place) < 0.01)
    return Part.empty(name).with_notes(
        np.round((onset + lead) * TICKS).astype(int),
        np.maximum(np.round(length * TICKS).astype(int), 30),
        np.clip(pitch, 21, 108),
        np.clip(np.round(velocity), 1, 127).astype(int),
    )


def _meter_map(sheet: LeadSheet, lead: float) -> MeterMap:
    """Return the meters of the bars of a sheet that begins `lead` quarters after tick 0."""
    events: list[tuple[int, int, int]] = []
    full = 4 * sheet.meter[0] / sheet.meter[1]
    first = sheet.bars[0] + lead
    if first > 0.01:
        events.append((0, max(round(2 * (first % full or full)), 1), 8))
        if first > full:
            events.append((round(first % full * TICKS), *sheet.meter))
    for begin, stop in zip(sheet.bars[:-1], sheet.bars[1:], strict=True):
        regular = abs(stop - begin - full) < 0.01 or stop == sheet.bars[-1]
        meter = sheet.meter if regular else (max(round(2 * (stop - begin)), 1), 8)
        if not events or events[-1][1:] != meter:
            events.append((round((begin + lead) * TICKS), *meter))
    ticks, numerators, denominators = np.array(events).T
    return MeterMap(ticks=ticks, numerator=numerators, denominator=denominators)
