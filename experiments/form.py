"""Variations, continuations, infills and long samples of a model: the figures of docs/form.md.

    python -m experiments.form vary melody-2bar data/folk --limit 40
    python -m experiments.form continue melody-2bar data/folk --limit 40
    python -m experiments.form infill melody-2bar data/folk --limit 40
    python -m experiments.form sample melody-2bar data/folk --limit 100

Songs are drawn at random from the test split. Run times are measured by `benchmarks/answers.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from experiments.common import model_parser, spearman, split_bars
from experiments.distances import note_distance, onset_cells, self_similarity_overlap
from musicvae import MusicVAE, Song
from musicvae.attributes.form import self_similarity
from musicvae.data.batch import WindowBatcher, fits_preset, model_inputs
from musicvae.downbeats import BarlineEstimate, estimate_barlines
from musicvae.metrics.overlap import overlapping_area
from musicvae.representation.bars import Bars, Notes
from musicvae.representation.grid import Grid
from musicvae.representation.key import estimate_diatonic_key
from musicvae.tools.sample import sample
from musicvae.tools.vary import bar_labels, noise_latents

AMOUNTS = np.linspace(0, 1, 11)
BARS = 31  # compared; of 32 bars one may be a pickup with its completion


def songs_of(folder: str, which: str, limit: int, seed: int, bars: int = 12) -> Iterator[Song]:
    """Yield at most `limit` songs of at least `bars` bars of a split, in random order."""
    chosen = split_bars(folder, which)
    for nth in np.random.default_rng(seed).permutation(len(chosen)).tolist():
        if not limit:
            return
        if len(chosen[nth]) >= bars:
            limit -= 1
            yield chosen[nth].to_song()


def taken_as_written(song: Song) -> BarlineEstimate:
    """Return a stored song with its bar lines as they are."""
    return estimate_barlines(song, as_written=True)


def vary(model: MusicVAE, songs: list[Song], seed: int) -> None:
    """Print note distance to the reconstruction by amount, and the rank correlation."""
    rows, correlations = [], []
    for song in songs:
        aligned = taken_as_written(song)
        encoding, tied = model.encode(aligned), bar_labels(song, model)
        start = onset_cells(model.decode(encoding))
        row = []
        for amount in AMOUNTS:
            z = noise_latents(model, encoding, amount, seed=seed, labels=tied)
            row.append(note_distance(start, onset_cells(model.decode(encoding, z=z))))
        rows.append(row)
        correlations.append(spearman(np.array(row), AMOUNTS))
    print("amount  ", "  ".join(f"{a:.1f}" for a in AMOUNTS))
    print("distance", "  ".join(f"{d:.2f}"[1:].rjust(3) for d in np.mean(rows, 0)))
    print(
        f"spearman {np.mean(correlations):.3f}, least {np.min(correlations):.3f}, {len(rows)} songs"
    )


def infill(model: MusicVAE, songs: list[Song], seed: int) -> None:
    """Print what is preserved, distance to the original, and surprisal across the seams."""
    same = total = 0
    far, apart, bits = [], [], {"original": [], "infilled": [], "unrelated": []}
    for nth, song in enumerate(songs):
        aligned = taken_as_written(song)
        grid = Bars.from_song(song).grid
        pickup = int(grid.lead_steps[0] > 0)
        first = 5
        made = model.infill(aligned, first, first + 3, seed=seed + nth)
        other = model.vary(aligned, amount=1.0, seed=seed + nth)
        begin, stop = grid.start_ticks[[first - 1 + pickup, first + 3 + pickup]].tolist()
        same_here, total_here = _kept(song, made, begin, stop)
        same, total = same + same_here, total + total_here
        foreign = _spliced(song, other, begin, stop)
        cells = [_between(s, begin, stop) for s in (song, made, other)]
        far.append(note_distance(cells[0], cells[1]))
        apart.append(note_distance(cells[0], cells[2]))
        lines = [first - 1 + pickup, first + 3 + pickup]
        for name, version in (("original", song), ("infilled", made), ("unrelated", foreign)):
            bits[name] += _at_lines(model, version, lines)
    print(f"notes outside the bars unchanged: {same} of {total}")
    print(f"distance to the original: infilled {np.mean(far):.2f}, unrelated {np.mean(apart):.2f}")
    for name, values in bits.items():
        print(f"bits a bar of windows across the two seams, {name}: {np.mean(values):.1f}")


def extend(model: MusicVAE, songs: list[Song], seed: int) -> None:
    """Continue songs cut in the middle; print surprisal across the join, and how they end."""
    bits: dict[str, list[float]] = {"original": [], "continued": [], "unrelated": []}
    ends, same, total = [], 0, 0
    for nth, song in enumerate(songs):
        grid = Bars.from_song(song).grid
        half = _middle(grid)
        if not half:
            continue
        begin, end = int(grid.start_ticks[half]), int(grid.start_ticks[-1] + grid.length_ticks[-1])
        parts = tuple(p.select(p.onset_ticks + p.duration_ticks <= begin) for p in song.parts)
        cut = replace(song, parts=parts, end_ticks=begin)
        if not cut.n_notes:
            continue
        made = model.extend(taken_as_written(cut), bars=len(grid) - half, seed=seed + nth)
        other = model.vary(taken_as_written(song), amount=1.0, seed=seed + nth)
        here, there = _columns(cut), {note for note in _columns(made) if note[1] < begin}
        same, total = same + len(here & there), total + len(here | there)
        foreign = _spliced(song, other, begin, end)
        for name, version in (("original", song), ("continued", made), ("unrelated", foreign)):
            bits[name] += _at_lines(model, version, [half])
        ends.append([_ends(s) for s in (song, made)])
    print(f"notes before the join unchanged: {same} of {total}")
    for name, values in bits.items():
        print(f"bits a bar of windows across the join, {name}: {np.mean(values):.1f}")
    for name, column in zip(("songs", "continued"), np.mean(ends, 0), strict=True):
        print(f"{name}: last note is the tonic {column[0]:.2f}, it is no shorter {column[1]:.2f}")


def _middle(grid: Grid) -> int:
    """Return the bar line nearest to the middle with three whole bars on each side, or 0."""
    length = grid.length_ticks
    whole = length == np.bincount(length).argmax()
    lines = [i for i in range(3, len(grid) - 2) if whole[i - 3 : i + 3].all()]
    return min(lines, key=lambda i: abs(i - len(grid) // 2), default=0)


def _ends(song: Song) -> tuple[bool, bool]:
    """Return whether the last highest note is the tonic of the key or of its relative minor, and
    whether it lasts at least as long as the median note.
    """
    notes = Bars.from_song(song).notes
    key = estimate_diatonic_key(notes.pitch, notes.duration)
    place = notes.bar * 4096 + notes.step
    last = np.flatnonzero(place == place.max())[-1]
    tonic = (notes.pitch[last] - key) % 12 in (0, 9)
    return bool(tonic), bool(notes.duration[last] >= np.median(notes.duration))


def _columns(song: Song) -> set[tuple[int, ...]]:
    names = ("onset_ticks", "duration_ticks", "pitch", "velocity")
    return {
        (nth, *row)
        for nth, part in enumerate(song.parts)
        for row in zip(*(getattr(part, name).tolist() for name in names), strict=True)
    }


def _kept(song: Song, made: Song, begin: int, stop: int) -> tuple[int, int]:
    """Return the number of unchanged notes outside these ticks, and of all notes there."""
    one, other = ({n for n in _columns(s) if not begin <= n[1] < stop} for s in (song, made))
    return len(one & other), len(one | other)


def _between(song: Song, begin: int, stop: int) -> np.ndarray:
    """Return the cells of onsets between two ticks."""
    inside = [p.select((p.onset_ticks >= begin) & (p.onset_ticks < stop)) for p in song.parts]
    return onset_cells(replace(song, parts=tuple(inside)))


def _spliced(song: Song, other: Song, begin: int, stop: int) -> Song:
    """Return a song with the notes of another one between two ticks."""
    parts = []
    for mine, theirs in zip(song.parts, other.parts, strict=True):
        out = mine.select((mine.onset_ticks < begin) | (mine.onset_ticks >= stop))
        new = theirs.select((theirs.onset_ticks >= begin) & (theirs.onset_ticks < stop))
        parts.append(new.overlay(out))
    return replace(song, parts=tuple(parts))


@torch.no_grad()
def surprisal(model: MusicVAE, song: Song, first: np.ndarray) -> np.ndarray:
    """Return the negative ELBO of windows beginning at bars `first` `(W,)`, in bits a bar. `(W,)`

    Mean over the passes of the song.
    """
    sources, _ = model_inputs(Bars.from_song(song), model.preset)
    cutter, found = WindowBatcher(sources, model.preset), []
    for group in range(len(sources)):
        batch = model.to_device(cutter.batch(np.full(len(first), group), first))
        posterior = model.vae.encode(batch)
        noise = torch.randn(posterior.mu.shape, generator=torch.Generator().manual_seed(0))
        loss = model.vae.loss(batch, posterior.sample(noise))
        notes = sum(part for part in loss)
        found.append(((posterior.kl().sum(1) + notes) / np.log(2) / batch.n_bars).numpy())
    return np.mean(found, 0)


def _at_lines(model: MusicVAE, song: Song, lines: list[int]) -> list[float]:
    """Return the surprisal of windows with these bar lines in their middle."""
    size = model.preset.grid.bars
    first = np.array(lines) - size // 2
    inside = (first >= 0) & (first + size <= len(Bars.from_song(song)))
    return surprisal(model, song, first[inside]).tolist() if inside.any() else []


def matrix(song: Song, spq: int) -> np.ndarray | None:
    """Return the self-similarity of the first `BARS` whole bars, None if there are fewer."""
    bars = Bars.from_song(song).at(spq)
    open_, notes = bars.grid.unmasked_steps, bars.notes
    whole = np.flatnonzero(open_ == np.bincount(open_).argmax())[:BARS]
    if len(whole) < BARS:
        return None
    place = np.full(len(bars), -1)
    place[whole] = np.arange(BARS)
    mine = notes.select(place[notes.bar] >= 0)
    return self_similarity(place[mine.bar], mine.step, mine.part * 128 + mine.pitch, BARS)


def long_samples(model: MusicVAE, folder: str, which: str, limit: int, seed: int) -> None:
    """Compare self-similarity of samples and songs, and seams with other bar lines."""
    spq = model.preset.grid.steps_per_quarter
    real = list(songs_of(folder, which, limit, seed, BARS))
    learned = list(songs_of(folder, "train", limit, seed, BARS))
    n = max(len(real), 100)
    sets = {
        "songs learned from": learned,
        "samples": model.sample(n, bars=BARS + 1, seed=seed),
        "samples without form": plain(model, n, seed),
        "held-out songs, bars shuffled": [_shuffled(s, seed) for s in real],
    }
    wanted = [m for s in real if (m := matrix(s, spq)) is not None]
    own_back = np.array([(m[16:, :16] > 0.7).any(1).mean() for m in wanted])
    print(f"{len(wanted)} held-out songs of at least {BARS} whole bars; overlap of matrices:")
    for name, songs in sets.items():
        found = [m for s in songs if (m := matrix(s, spq)) is not None]
        mean = np.mean([m[np.triu_indices(BARS, 1)].mean() for m in found])
        back = [(m[16:, :16] > 0.7).any(1).mean() for m in found]
        overlap = overlapping_area(own_back, np.array(back), shared=True)
        ends = np.mean([_ends(s) for s in songs], 0)
        print(
            f"  {name}: {self_similarity_overlap(wanted, found):.3f} ({len(found)}; "
            f"mean F1 {mean:.3f}; repeated in the second half {np.mean(back):.2f}, overlap "
            f"{overlap:.2f}; end on the tonic "
            f"{ends[0]:.2f}, no shorter {ends[1]:.2f})"
        )
    own = np.mean([m[np.triu_indices(BARS, 1)].mean() for m in wanted])
    ends = np.mean([_ends(s) for s in real], 0)
    print(
        f"  held-out songs themselves: mean F1 {own:.3f}, come back {own_back.mean():.2f}, end on "
        f"the tonic {ends[0]:.2f}, no shorter {ends[1]:.2f}"
    )
    size = model.preset.grid.bars
    if size > 1:
        print("bits a bar of windows with a seam in the middle, and with another bar line there:")
        for name in ("samples", "samples without form"):
            _seams(name, model, sets[name], size)
        _seams("held-out songs", model, real, size)


def plain(model: MusicVAE, n: int, seed: int) -> list[Song]:
    """Return samples without repeated bars."""
    return sample(
        model,
        n,
        bars=BARS + 1,
        temperature=1.0,
        qpm=None,
        key=None,
        meter=None,
        refine_steps=model.refine_steps,
        seed=seed,
        form="".join(chr(65 + i) for i in range(16)),
    )


def _seams(name: str, model: MusicVAE, songs: list[Song], size: int) -> None:
    """Print surprisal by the position of the middle bar line in the windows of the path.

    For windows of two bars the other bar lines are in the middle of windows of the path.
    """
    seam, other = [], []
    for song in songs:
        bars = Bars.from_song(song)
        first = np.arange(1, len(bars) - size + 1)
        first = first[
            fits_preset(
                bars.at(model.preset.grid.steps_per_quarter).grid, first, first + size, model.preset
            )
        ]
        if not len(first):
            continue
        cost, at = surprisal(model, song, first), (first + size // 2) % size
        seam.append(cost[at == 0].mean())
        other.append(cost[at != 0 if size == 2 else (at != 0) & (first % size != 0)].mean())
    difference = np.array(seam) - np.array(other)
    error = difference.std() / np.sqrt(len(difference))
    print(
        f"  {name}: {np.mean(seam):.1f} and {np.mean(other):.1f}; "
        f"difference {difference.mean():+.2f} ± {error:.2f}"
    )


def _shuffled(song: Song, seed: int) -> Song:
    """Return the song with its bars permuted among those of equal length."""
    bars = Bars.from_song(song)
    rng, place = np.random.default_rng(seed), np.arange(len(bars))
    for length in np.unique(bars.grid.unmasked_steps):
        mine = np.flatnonzero(bars.grid.unmasked_steps == length)
        place[mine] = rng.permutation(mine)
    notes = bars.notes
    columns = vars(notes) | {"bar": place[notes.bar]}
    return replace(bars, notes=Notes.sorted(**columns)).to_song()


def main() -> None:
    """Run one of the experiments."""
    parser = model_parser(__doc__, limit=40, experiments=("vary", "continue", "infill", "sample"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model = MusicVAE.load(args.checkpoint)
    if args.experiment == "sample":
        long_samples(model, args.folder, args.split, args.limit, args.seed)
        return
    songs = list(songs_of(args.folder, args.split, args.limit, args.seed))
    {"vary": vary, "continue": extend, "infill": infill}[args.experiment](model, songs, args.seed)


if __name__ == "__main__":
    main()
