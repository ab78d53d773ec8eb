"""Figures of docs/form.md: variations, continuations, infills and long samples of a model.

    python experiments/form.py vary melody-2bar data/folk --limit 40
    python experiments/form.py continue melody-2bar data/folk --limit 40
    python experiments/form.py infill melody-2bar data/folk --limit 40
    python experiments/form.py sample melody-2bar data/folk --limit 100

Songs are those of the test split, drawn at random by the seed; `--split valid` to tune. How long
commands take: `benchmarks/answers.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from musicvae import MusicVAE, Song
from musicvae.attributes.form import matrix_overlap, self_similarity
from musicvae.data import Shards, prepare_cached
from musicvae.data.batch import WindowCutter, fitting, sources_of
from musicvae.data.split import split
from musicvae.downbeats import Alignment, align
from musicvae.metrics.overlap import overlapping_area
from musicvae.metrics.reconstruction import note_cells, note_distance
from musicvae.representation.bars import Bars, Notes
from musicvae.representation.grid import Grid
from musicvae.representation.key import diatonic_key
from musicvae.tools.sample import sample
from musicvae.tools.vary import form_of, varied

AMOUNTS = np.linspace(0, 1, 11)
BARS = 31  # that are compared: of 32 bars one may be a pickup and what completes it


def songs_of(folder: str, which: str, limit: int, seed: int, bars: int = 12) -> Iterator[Song]:
    """Songs of a split in a random order, at most `limit` of them, of at least so many bars."""
    shards = Shards(prepare_cached(folder))
    place = split(shards.clusters(), 0)
    chosen = [s for s, where in zip(shards, place, strict=True) if where in which.split(",")]
    for nth in np.random.default_rng(seed).permutation(len(chosen)).tolist():
        if not limit:
            return
        if len(chosen[nth].bars) >= bars:
            limit -= 1
            yield chosen[nth].bars.to_song()


def taken_as_written(song: Song) -> Alignment:
    """A stored song's bar lines are found already."""
    return align(song, as_written=True)


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, ties in the middle."""
    return np.array([(values < v).sum() + ((values == v).sum() - 1) / 2 for v in values])


def vary(model: MusicVAE, songs: list[Song], seed: int) -> None:
    """Note distance to the reconstruction along the amounts, and Spearman's correlation."""
    rows, spearman = [], []
    for song in songs:
        aligned = taken_as_written(song)
        encoding, tied = model.encode(aligned), form_of(song, model)
        start = note_cells(model.decode(encoding))
        row = []
        for amount in AMOUNTS:
            z = varied(model, encoding, amount, seed=seed, tied=tied)
            row.append(note_distance(start, note_cells(model.decode(encoding, z=z))))
        rows.append(row)
        spearman.append(np.corrcoef(ranks(np.array(row)), np.arange(len(row)))[0, 1])
    print("amount  ", "  ".join(f"{a:.1f}" for a in AMOUNTS))
    print("distance", "  ".join(f"{d:.2f}"[1:].rjust(3) for d in np.mean(rows, 0)))
    print(f"spearman {np.mean(spearman):.3f}, least {np.min(spearman):.3f}, {len(rows)} songs")


def infill(model: MusicVAE, songs: list[Song], seed: int) -> None:
    """What stays, how far from the original what is written is, and how surprising it is there."""
    same = total = 0
    far, apart, bits = [], [], {"original": [], "infilled": [], "unrelated": []}
    for nth, song in enumerate(songs):
        aligned = taken_as_written(song)
        grid = Bars.from_song(song).grid
        pickup = int(grid.lead[0] > 0)
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


def continued(model: MusicVAE, songs: list[Song], seed: int) -> None:
    """Songs cut in their middle: how surprising the join is, and whether they end."""
    bits: dict[str, list[float]] = {"original": [], "continued": [], "unrelated": []}
    ends, same, total = [], 0, 0
    for nth, song in enumerate(songs):
        grid = Bars.from_song(song).grid
        half = _middle(grid)
        if not half:
            continue
        begin, end = int(grid.start_ticks[half]), int(grid.start_ticks[-1] + grid.length_ticks[-1])
        parts = tuple(p.take(p.onset_ticks + p.duration_ticks <= begin) for p in song.parts)
        cut = replace(song, parts=parts, end_ticks=begin)
        if not cut.n_notes:
            continue
        made = model.continue_(taken_as_written(cut), bars=len(grid) - half, seed=seed + nth)
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
    """The bar line nearest to the middle with three whole bars on each side, 0 if there is none."""
    length = grid.length_ticks
    whole = length == np.bincount(length).argmax()
    lines = [i for i in range(3, len(grid) - 2) if whole[i - 3 : i + 3].all()]
    return min(lines, key=lambda i: abs(i - len(grid) // 2), default=0)


def _ends(song: Song) -> tuple[bool, bool]:
    """Whether the last of the highest notes is the tonic of the key, or of its relative minor, and
    whether it lasts at least as long as most.
    """
    notes = Bars.from_song(song).notes
    key = diatonic_key(notes.pitch, notes.duration)
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
    """Notes that begin outside these ticks and are as they were, and all of both songs."""
    one, other = ({n for n in _columns(s) if not begin <= n[1] < stop} for s in (song, made))
    return len(one & other), len(one | other)


def _between(song: Song, begin: int, stop: int) -> np.ndarray:
    """The cells of notes that begin between two ticks."""
    inside = [p.take((p.onset_ticks >= begin) & (p.onset_ticks < stop)) for p in song.parts]
    return note_cells(replace(song, parts=tuple(inside)))


def _spliced(song: Song, other: Song, begin: int, stop: int) -> Song:
    """A song with what another one has between two ticks."""
    parts = []
    for mine, theirs in zip(song.parts, other.parts, strict=True):
        out = mine.take((mine.onset_ticks < begin) | (mine.onset_ticks >= stop))
        new = theirs.take((theirs.onset_ticks >= begin) & (theirs.onset_ticks < stop))
        parts.append(new.with_others(out))
    return replace(song, parts=tuple(parts))


@torch.no_grad()
def surprise(model: MusicVAE, song: Song, first: np.ndarray) -> np.ndarray:
    """Bits a bar that windows beginning with these bars cost: KL and what the notes cost given the
    latents, the bound on how improbable they are. Mean over the song's groups. `(W,)`
    """
    sources, _ = sources_of(Bars.from_song(song), model.preset)
    cutter, found = WindowCutter(sources, model.preset), []
    for group in range(len(sources)):
        batch = model.on_device(cutter.batch(np.full(len(first), group), first))
        posterior = model.vae.encode(batch)
        noise = torch.randn(posterior.mu.shape, generator=torch.Generator().manual_seed(0))
        loss = model.vae.loss(batch, posterior.sample(noise))
        notes = sum(part for part in loss)
        found.append(((posterior.kl().sum(1) + notes) / np.log(2) / batch.n_bars).numpy())
    return np.mean(found, 0)


def _at_lines(model: MusicVAE, song: Song, lines: list[int]) -> list[float]:
    """What windows cost in whose middle these bar lines are."""
    size = model.preset.grid.bars
    first = np.array(lines) - size // 2
    inside = (first >= 0) & (first + size <= len(Bars.from_song(song)))
    return surprise(model, song, first[inside]).tolist() if inside.any() else []


def matrix(song: Song, spq: int) -> np.ndarray | None:
    """The self-similarity of the first 32 whole bars, if there are as many."""
    bars = Bars.from_song(song).at(spq)
    open_, notes = bars.grid.open_steps, bars.notes
    whole = np.flatnonzero(open_ == np.bincount(open_).argmax())[:BARS]
    if len(whole) < BARS:
        return None
    place = np.full(len(bars), -1)
    place[whole] = np.arange(BARS)
    mine = notes.take(place[notes.bar] >= 0)
    return self_similarity(place[mine.bar], mine.step, mine.part * 128 + mine.pitch, BARS)


def long_samples(model: MusicVAE, folder: str, which: str, limit: int, seed: int) -> None:
    """Self-similarity of samples against held-out songs, and seams against other bar lines."""
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
        alike = overlapping_area(own_back, np.array(back), shared=True)
        ends = np.mean([_ends(s) for s in songs], 0)
        print(
            f"  {name}: {matrix_overlap(wanted, found):.3f} ({len(found)}; mean F1 {mean:.3f}; of "
            f"the second half come back {np.mean(back):.2f}, overlap {alike:.2f}; end on the tonic "
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
    """Samples whose bars are not tied: every letter another one."""
    return sample(
        model,
        n,
        bars=BARS + 1,
        temperature=1.0,
        qpm=None,
        key=None,
        meter=None,
        settle=model.settle,
        seed=seed,
        form="".join(chr(65 + i) for i in range(16)),
    )


def _seams(name: str, model: MusicVAE, songs: list[Song], size: int) -> None:
    """Costs by where in the windows of the path the middle bar line is. For windows of two bars
    the others are in the middle of windows of the path.
    """
    seam, other = [], []
    for song in songs:
        bars = Bars.from_song(song)
        first = np.arange(1, len(bars) - size + 1)
        first = first[
            fitting(
                bars.at(model.preset.grid.steps_per_quarter).grid, first, first + size, model.preset
            )
        ]
        if not len(first):
            continue
        cost, at = surprise(model, song, first), (first + size // 2) % size
        seam.append(cost[at == 0].mean())
        other.append(cost[at != 0 if size == 2 else (at != 0) & (first % size != 0)].mean())
    difference = np.array(seam) - np.array(other)
    error = difference.std() / np.sqrt(len(difference))
    print(
        f"  {name}: {np.mean(seam):.1f} and {np.mean(other):.1f}; "
        f"difference {difference.mean():+.2f} ± {error:.2f}"
    )


def _shuffled(song: Song, seed: int) -> Song:
    """The same bars in another order, those of one length among themselves."""
    bars = Bars.from_song(song)
    rng, place = np.random.default_rng(seed), np.arange(len(bars))
    for length in np.unique(bars.grid.open_steps):
        mine = np.flatnonzero(bars.grid.open_steps == length)
        place[mine] = rng.permutation(mine)
    notes = bars.notes
    columns = vars(notes) | {"bar": place[notes.bar]}
    return replace(bars, notes=Notes.sorted(**columns)).to_song()


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("vary", "continue", "infill", "sample"))
    parser.add_argument("checkpoint")
    parser.add_argument("folder", help="songs")
    parser.add_argument("--limit", type=int, default=40, help="songs at most")
    parser.add_argument("--split", default="test")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model = MusicVAE.load(args.checkpoint)
    if args.what == "sample":
        long_samples(model, args.folder, args.split, args.limit, args.seed)
        return
    songs = list(songs_of(args.folder, args.split, args.limit, args.seed))
    {"vary": vary, "continue": continued, "infill": infill}[args.what](model, songs, args.seed)


if __name__ == "__main__":
    main()
