"""Teach the network that hears bar lines (`musicvae/alignment/network.py`).

    python scripts/train_bar_finder.py musicvae/alignment/bar_finder.safetensors --steps 7000

Learns from songs whose bars are known (`benchmarks/known_bars.py`), of the train split alone, worn
by what real files suffer: parts left out or merged, lengths and accents changed, notes moved and
lost, beginnings cut off, drums of real takes laid under songs that have none. Prints the
validation loss of each corpus as it goes. The data folder must be there (lieder, bands, drums).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from known_bars import CORPORA, Known, bar_lines, known

from musicvae.alignment.features import CELLS_PER_QUARTER, N_FEATURES, Heard, features
from musicvae.alignment.meters import LENGTHS
from musicvae.alignment.network import DILATIONS, METERS
from musicvae.files import write_bytes

WEIGHT = {"chorales": 0.16, "folk": 0.28, "lieder": 0.26, "freedoom": 0.15, "groove": 0.15}
ALIAS = {
    "4/8": "2/4", "2/8": "1/4", "1/2": "2/4", "8/8": "4/4", "6/16": "3/8", "12/16": "3/4",
    "3/1": "3/2", "8/4": "4/2", "10/4": "5/4", "4/16": "1/4",
}  # fmt: skip
UNKNOWN = 255
LONGEST = 4000  # cells of a song that are used
GROUPS = (slice(4, 5), slice(5, 8), slice(8, 13), slice(13, 14), slice(14, 17), slice(18, 21))


@dataclass(frozen=True)
class Example:
    """A song as the network hears it: rows `(T, F)`, bar lines and meters `(T,)`."""

    corpus: str
    rows: np.ndarray
    lines: np.ndarray
    meters: np.ndarray


Take = list[tuple[np.ndarray, np.ndarray, np.ndarray]]  # for each bar cells, pitches, velocities


class Net(nn.Module):
    """`network.listen` with gradients."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inside = nn.Linear(N_FEATURES, width)
        self.convs = nn.ModuleList(
            nn.Conv1d(width, width, 3, dilation=d, padding=d) for d in DILATIONS
        )
        self.contexts = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(2))
        self.middle, self.out = nn.Linear(width, width), nn.Linear(width, 1 + len(METERS))
        self.dropout = nn.Dropout(0.1)

    def forward(self, rows: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Logits `(B, T, 1 + meters)` of rows `(B, T, F)` that are `real` `(B, T)`."""
        n, mask = real.sum(1, keepdim=True), real[:, None]
        h = F.relu(self.inside(rows)).transpose(1, 2) * mask  # (B, C, T)
        listening = dict(
            zip((len(DILATIONS) // 2 - 1, len(DILATIONS) - 2), self.contexts, strict=False)
        )
        for i, conv in enumerate(self.convs):
            h = (h + self.dropout(F.relu(conv(h)))) * mask
            if i in listening:
                whole = torch.cat([h.sum(2) / n, (h * h).sum(2) / n], 1)
                h = (h + F.relu(listening[i](whole))[:, :, None]) * mask
        return self.out(F.relu(self.middle(h.transpose(1, 2))))

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights as `network.listen` wants them."""
        named = {"in": self.inside, "middle": self.middle, "out": self.out}
        named |= {f"context.{i}": layer for i, layer in enumerate(self.contexts)}
        found = {f"{k}.w": layer.weight.T for k, layer in named.items()}
        found |= {f"{k}.b": layer.bias for k, layer in named.items()}
        for i, conv in enumerate(self.convs):
            found[f"conv.{i}.w"] = conv.weight.permute(2, 1, 0).flatten(0, 1)
            found[f"conv.{i}.b"] = conv.bias
        return {k: v.detach().contiguous().numpy().astype(np.float16) for k, v in found.items()}


def worn(one: Known, takes: dict[str, list[Take]], rng: np.random.Generator | None) -> Example:
    """A song as it is (`rng` None) or worn by chance."""
    song, lines = one.song, bar_lines(one.song)
    scale = CELLS_PER_QUARTER / song.ticks_per_quarter
    parts = [part for part in song.parts if len(part)]
    count = [len(part) for part in parts]
    columns = [
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("onset_ticks", "duration_ticks", "pitch", "velocity")
    ]
    at, length = columns[0] * scale, columns[1] * scale
    notes = Heard(
        at, length, columns[2], columns[3],
        np.repeat(np.arange(len(parts)), count), np.repeat([p.is_drum for p in parts], count),
    )  # fmt: skip
    line = np.array([tick for tick, _ in lines]) * scale
    names = [ALIAS.get(name, name) for _, name in lines]
    begin, lead = np.floor(notes.cell.min() + 0.5), 0
    if rng is not None:
        if lines and not notes.is_drum.any() and rng.random() < 0.3:
            notes = _with_drums(notes, line, names, takes, rng)
        notes = _worn_notes(notes, rng)
        begin, lead = _beginning(notes.cell, rng)
        notes = notes.take(notes.cell >= begin - 0.5)
    cell = np.maximum(np.floor(notes.cell - begin + lead + 0.5), 0).astype(np.int64)
    end = min((cell + np.maximum(notes.length, 0.25)).max(), cell.max() + 32)
    n_cells = min(int(np.ceil(end)) + 1, LONGEST)
    heard = notes._replace(cell=cell, length=np.minimum(notes.length, 64.0)).take(cell < n_cells)
    place = np.floor(line - begin + lead + 0.5).astype(np.int64)
    is_line, meters = np.zeros(n_cells, np.uint8), np.full(n_cells, UNKNOWN, np.uint8)
    is_line[place[(place >= 0) & (place < n_cells)]] = 1
    for i, (start, name) in enumerate(zip(place.tolist(), names, strict=True)):
        stop = place[i + 1] if i + 1 < len(place) else n_cells
        last = i + 1 == len(place)
        if name in METERS and (last or stop - start == LENGTHS[METERS.index(name)]):
            meters[max(start, 0) : max(stop, 0)] = METERS.index(name)
    rows = features(heard, n_cells).astype(np.float16)
    return Example(one.corpus, rows, is_line, meters)


def _worn_notes(notes: Heard, rng: np.random.Generator) -> Heard:
    n = len(notes.cell)
    keep = np.ones(n, bool)
    parts = np.unique(notes.part)
    if len(parts) > 1 and rng.random() < 0.35:
        some = rng.choice(parts, rng.integers(1, len(parts)), replace=False)
        keep &= np.isin(notes.part, some)
    if notes.is_drum.any() and not notes.is_drum.all() and rng.random() < 0.35:
        keep &= ~notes.is_drum
    if keep.sum() < 8:
        keep[:] = True
    if rng.random() < 0.4:
        each = rng.uniform(0.8, 1.2, n) if rng.random() < 0.5 else 1.0
        notes = notes._replace(length=notes.length * rng.uniform(0.4, 1.1) * each)
    if rng.random() < 0.5:
        notes = notes._replace(velocity=np.full_like(notes.velocity, 80))
    elif rng.random() < 0.3:
        accents = np.clip(notes.velocity + rng.integers(-12, 13, n), 1, 127)
        notes = notes._replace(velocity=accents)
    if rng.random() < 0.3:
        notes = notes._replace(part=np.where(notes.is_drum, 1, 0))
    if rng.random() < 0.3:
        off = (rng.random(n) < 0.05) * rng.choice([-1, 1], n) * rng.uniform(0.3, 1, n)
        notes = notes._replace(cell=notes.cell + off)
    if rng.random() < 0.3:
        some_left = keep & (rng.random(n) < rng.uniform(0.8, 1))
        keep = some_left if some_left.sum() >= 4 else keep
    return notes.take(keep)


def _beginning(cell: np.ndarray, rng: np.random.Generator) -> tuple[float, int]:
    """Where to begin hearing a song, and how many cells of silence to put before it."""
    begin = first = np.floor(cell.min() + 0.5)
    if rng.random() < 0.5:
        begin = first + rng.integers(0, 33)
    if rng.random() < 0.25:
        begin += rng.integers(0, max(int(cell.max() - first - 200), 1))
    if (cell >= begin - 0.5).sum() < 4:
        begin = first
    return begin, 0 if rng.random() < 0.6 else int(rng.integers(0, 17))


def _with_drums(
    notes: Heard,
    line: np.ndarray,
    names: list[str],
    takes: dict[str, list[Take]],
    rng: np.random.Generator,
) -> Heard:
    """A song with the drums of a real take under it, bar by bar."""
    usual = Counter(names).most_common(1)[0][0]
    options = takes.get({"2/2": "4/4"}.get(usual, usual))
    if not options:
        return notes
    take = options[rng.integers(len(options))]
    offset, loop = rng.integers(len(take)), int(rng.choice([1, 2, 4, 8, 999]))
    hits = [
        (np.maximum(start + cell, 0), pitch, velocity)
        for i, (start, name) in enumerate(zip(line, names, strict=True))
        if name == usual
        for cell, pitch, velocity in [take[(offset + i % loop) % len(take)]]
    ]
    cell, pitch, velocity = (np.concatenate(column) for column in zip(*hits, strict=True))
    n = len(cell)
    drums = Heard(
        cell, np.full(n, 0.5), pitch, velocity, np.full(n, notes.part.max() + 1), np.ones(n, bool)
    )
    return Heard(*(np.concatenate(pair) for pair in zip(notes, drums, strict=True)))


def takes_of(songs: list[Known]) -> dict[str, list[Take]]:
    """Drum takes by meter, each a list of bars."""
    found: dict[str, list[Take]] = defaultdict(list)
    for one in songs:
        lines = bar_lines(one.song)
        scale = CELLS_PER_QUARTER / one.song.ticks_per_quarter
        at = np.concatenate([p.onset_ticks for p in one.song.parts]) * scale
        pitch, velocity = (
            np.concatenate([getattr(p, name) for p in one.song.parts])
            for name in ("pitch", "velocity")
        )
        edges = np.array([tick for tick, _ in lines]) * scale
        bar = np.searchsorted(edges - 0.5, at, side="right") - 1
        bars = [
            (at[bar == b] - edges[b], pitch[bar == b], velocity[bar == b])
            for b in range(len(edges) - 1)
        ]
        if len(bars) >= 4:
            found[lines[0][1]].append(bars)
    return dict(found)


def batches(
    examples: list[Example], rng: np.random.Generator, *, size: int = 32, cells: int = 512
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Random stretches: rows, bar lines, meters, and which cells are real."""
    by_corpus: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_corpus[example.corpus].append(example)
    names = list(by_corpus)
    weight = np.array([WEIGHT[name] for name in names])
    while True:
        rows = np.zeros((size, cells, N_FEATURES), np.float32)
        lines, real = np.zeros((2, size, cells), np.float32)
        meters = np.full((size, cells), UNKNOWN, np.int64)
        for b, which in enumerate(rng.choice(len(names), size, p=weight / weight.sum())):
            mine = by_corpus[names[which]]
            one = mine[rng.integers(len(mine))]
            spare = max(len(one.lines) - cells, 0)
            begin = rng.integers(spare + 1) if rng.random() < 0.8 else 0
            n = min(cells, len(one.lines) - begin)
            here = slice(begin, begin + n)
            rows[b, :n], lines[b, :n] = one.rows[here], one.lines[here]
            meters[b, :n], real[b, :n] = one.meters[here], 1
        yield tuple(torch.from_numpy(array) for array in (rows, lines, meters, real))


def losses(net: Net, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy of bar lines and of meters, in nats a cell."""
    rows, lines, meters, real = batch
    out = net(rows, real)
    each = F.binary_cross_entropy_with_logits(out[..., 0], lines, reduction="none")
    told = (meters != UNKNOWN) & (real > 0)
    return (each * real).sum() / real.sum(), F.cross_entropy(out[..., 1:][told], meters[told])


def example_of(job: tuple[Known, dict[str, list[Take]], int | None]) -> Example:
    """`worn` for a worker: the song, the takes, and a seed or None."""
    one, takes, seed = job
    return worn(one, takes, None if seed is None else np.random.default_rng(seed))


def main() -> None:
    """Read, wear, teach, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=7000)
    parser.add_argument("--copies", type=int, default=7, help="worn copies of each song")
    parser.add_argument("--width", type=int, default=40)
    parser.add_argument("--without", nargs="*", default=[], help="corpora not to learn from")
    args = parser.parse_args()
    songs = [one for corpus in CORPORA for one in known(corpus) if one.song.n_notes >= 8]
    train = [one for one in songs if one.split == "train" and one.corpus not in args.without]
    takes = takes_of([one for one in train if one.corpus == "groove"])
    jobs = [(one, {}, None) for one in train]
    jobs += [
        (one, takes, n * len(train) + i) for n in range(args.copies) for i, one in enumerate(train)
    ]
    with ProcessPoolExecutor() as pool:
        examples = list(pool.map(example_of, jobs, chunksize=64))
    held_out = [worn(one, {}, None) for one in songs if one.split == "valid"]
    torch.manual_seed(0)
    rng, net = np.random.default_rng(0), Net(args.width)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 3e-3, total_steps=args.steps, pct_start=0.05
    )
    for step, batch in zip(range(1, args.steps + 1), batches(examples, rng), strict=False):
        for group in GROUPS:  # whole kinds of features are missing now and then
            if rng.random() < 0.1:
                batch[0][rng.integers(len(batch[0])) :, :, group] = 0
        line_loss, meter_loss = losses(net, batch)
        (line_loss + 0.1 * meter_loss).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if step % 250 == 0 or step == args.steps:
            save(net, args.out)
            print(step, f"{line_loss:.3f}", told(net, held_out), flush=True)


@torch.no_grad()
def told(net: Net, held_out: list[Example]) -> str:
    """The losses of each corpus on songs held out."""
    net.eval()
    row = []
    for corpus in CORPORA:
        mine = [example for example in held_out if example.corpus == corpus]
        line, meter = losses(net, next(batches(mine, np.random.default_rng(1), size=48)))
        row.append(f"{corpus} {line:.3f} {meter:.2f}")
    net.train()
    return ", ".join(row)


def save(net: Net, path: Path) -> None:
    """Write the weights aside, then in place."""
    from safetensors.numpy import save as to_bytes

    write_bytes(path, to_bytes(net.arrays()))


if __name__ == "__main__":
    main()
