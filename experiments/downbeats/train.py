"""Train the downbeat network of `musicvae/downbeats/network.py`.

    python -m experiments.downbeats.train base.safetensors --steps 8000 --without pop
    python -m experiments.downbeats.train more.safetensors --start base.safetensors \
        --teacher base.safetensors --steps 1200 --size 24 --rate 0.0015 --copies 3
    python -m experiments.downbeats.train bar_finder.safetensors --start more.safetensors \
        --teacher base.safetensors --steps 1500 --size 24 --rate 0.002 --copies 3 \
        --share pop=0.9 polish=0.35 groove=0.1

Trains on the train split of songs with known bars (`known_bars`), on pop arrangements (`pop_songs`)
and, if they have a share, on Polish songs and piano music and string quartets. All are augmented as
in `examples`. On what the base has learned from, it teaches: the network stays close to its
probabilities. Prints the validation loss of each corpus. Needs the data folder.
"""

from __future__ import annotations

import argparse
import copy
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import nn
from torch.nn import functional as F

from experiments.downbeats.examples import UNKNOWN, Example, Take, drum_takes, make_example
from experiments.downbeats.known_bars import CORPORA, Known, known, polish_scores
from experiments.downbeats.lead_sheets import lead_sheets
from experiments.downbeats.pop_songs import arrange, made_sheet
from musicvae.downbeats.features import N_FEATURES
from musicvae.downbeats.network import CELLS_PER_EIGHTH, CONTEXTS, DILATIONS, METERS
from musicvae.storage import write_bytes

WEIGHT = {
    "chorales": 0.12,
    "folk": 0.40,
    "lieder": 0.34,
    "freedoom": 0.06,
    "groove": 0.08,
    "pop": 0.5,
    "polish": 0.0,
}
NEW_CORPORA = ("pop", "polish")  # of which the base knows nothing to teach
POP_COPIES, MADE_SONGS = 10, 2000  # arrangements of each lead sheet; songs without one
GROUPS = (slice(4, 5), slice(5, 8), slice(8, 13), slice(13, 14), slice(14, 17), slice(18, 21))


class Net(nn.Module):
    """`network.predict` with gradients."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inside = nn.Linear(CELLS_PER_EIGHTH * N_FEATURES, width)
        self.convs = nn.ModuleList(
            nn.Conv1d(width, width, 3, dilation=d, padding=d) for d in DILATIONS
        )
        self.contexts = nn.ModuleList(nn.Linear(2 * width, width) for _ in CONTEXTS)
        self.middle = nn.Linear(width, width)
        self.out = nn.Linear(width, CELLS_PER_EIGHTH + len(METERS))
        self.dropout = nn.Dropout(0.08)

    def forward(self, rows: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Logits `(B, T, 1 + meters)` of rows `(B, T, F)` that are `real` `(B, T)`."""
        B, T, _ = rows.shape
        real = real.view(B, -1, CELLS_PER_EIGHTH).amax(2)  # (B, E)
        n, mask = real.sum(1, keepdim=True), real[:, None]
        h = F.relu(self.inside(rows.view(B, real.shape[1], -1))).transpose(1, 2) * mask  # (B, H, E)
        contexts = dict(zip(CONTEXTS, self.contexts, strict=True))
        for i, conv in enumerate(self.convs):
            h = (h + self.dropout(F.relu(conv(h)))) * mask
            if i in contexts:
                whole = torch.cat([h.sum(2) / n, (h * h).sum(2) / n], 1)
                h = (h + F.relu(contexts[i](whole))[:, :, None]) * mask
        out = self.out(F.relu(self.middle(h.transpose(1, 2))))  # (B, E, 2 + meters)
        lines = out[..., :CELLS_PER_EIGHTH].reshape(B, T, 1)
        meters = out[..., CELLS_PER_EIGHTH:].repeat_interleave(CELLS_PER_EIGHTH, 1)
        return torch.cat([lines, meters], 2)

    def _layers(self) -> dict[str, nn.Module]:
        named = {"in": self.inside, "middle": self.middle, "out": self.out}
        return named | {f"context.{i}": layer for i, layer in enumerate(self.contexts)}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights as `network.predict` expects them."""
        named = self._layers()
        found = {f"{k}.w": layer.weight.T for k, layer in named.items()}
        found |= {f"{k}.b": layer.bias for k, layer in named.items()}
        for i, conv in enumerate(self.convs):
            found[f"conv.{i}.w"] = conv.weight.permute(2, 1, 0).flatten(0, 1)
            found[f"conv.{i}.b"] = conv.bias
        return {k: v.detach().contiguous().numpy().astype(np.float16) for k, v in found.items()}

    @torch.no_grad()
    def load_arrays(self, found: dict[str, np.ndarray]) -> None:
        """Set the weights to those of `arrays`."""
        w = {k: torch.from_numpy(v.astype(np.float32)) for k, v in found.items()}
        for name, layer in self._layers().items():
            layer.weight.copy_(w[f"{name}.w"].T)
            layer.bias.copy_(w[f"{name}.b"])
        for i, conv in enumerate(self.convs):
            width = len(conv.bias)
            conv.weight.copy_(w[f"conv.{i}.w"].view(3, width, width).permute(2, 1, 0))
            conv.bias.copy_(w[f"conv.{i}.b"])


def batches(
    examples: list[Example],
    rng: np.random.Generator,
    *,
    size: int = 32,
    cells: int = 512,
    oversample_rare: bool = True,
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield random excerpts: features, bar lines, meters, a mask of unpadded cells, what is taught.

    `oversample_rare`: draw songs in rare meters more often.
    """
    by_corpus: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_corpus[example.corpus].append(example)
    names = list(by_corpus)
    weight = np.array([WEIGHT[name] for name in names])
    odds = {
        name: _cumulative_probability(mine if oversample_rare else [], len(mine))
        for name, mine in by_corpus.items()
    }
    while True:
        rows = np.zeros((size, cells, N_FEATURES), np.float32)
        lines, real = np.zeros((2, size, cells), np.float32)
        meters = np.full((size, cells), UNKNOWN, np.int64)
        taught = np.zeros((size, 1), np.float32)
        for b, which in enumerate(rng.choice(len(names), size, p=weight / weight.sum())):
            mine = by_corpus[names[which]]
            drawn = int(np.searchsorted(odds[names[which]], rng.random()))
            one = mine[min(drawn, len(mine) - 1)]
            spare = max(len(one.lines) - cells, 0)
            begin = rng.integers(spare + 1) if rng.random() < 0.8 else 0
            n = min(cells, len(one.lines) - begin)
            here = slice(begin, begin + n)
            rows[b, :n], lines[b, :n] = one.rows[here], one.lines[here]
            meters[b, :n], real[b, :n] = one.meters[here], 1
            taught[b] = one.corpus not in NEW_CORPORA
        yield tuple(torch.from_numpy(array) for array in (rows, lines, meters, real, taught))


def _cumulative_probability(examples: list[Example], n: int) -> np.ndarray:
    """Return cumulative probabilities of songs, higher for rare meters if there are examples."""
    if not examples:
        return np.arange(1, n + 1) / n
    usual = [int(np.bincount(e.meters, minlength=UNKNOWN + 1).argmax()) for e in examples]
    count = np.bincount(usual, minlength=UNKNOWN + 1)
    each = np.array([count[meter] ** -0.4 for meter in usual])
    return np.cumsum(each) / each.sum()


def losses(net: Net, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cross-entropy of bar lines and of meters, in nats a cell."""
    rows, lines, meters, real, _ = batch
    out = net(rows, real)
    soft = lines * 0.98 + 0.002  # label smoothing
    each = F.binary_cross_entropy_with_logits(out[..., 0], soft, reduction="none")
    known_meter = (meters != UNKNOWN) & (real > 0)
    return (each * real).sum() / real.sum(), F.cross_entropy(
        out[..., 1:][known_meter], meters[known_meter]
    )


def distance(net: Net, teacher: Net, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Return the cross-entropy with the probabilities of a teacher, where it knows the music."""
    rows, _, _, real, taught = batch
    with torch.no_grad():
        told = teacher(rows, real)
    out, mask = net(rows, real), real * taught
    line = F.binary_cross_entropy_with_logits(
        out[..., 0], torch.sigmoid(told[..., 0]), reduction="none"
    )
    meter = -(F.softmax(told[..., 1:], -1) * F.log_softmax(out[..., 1:], -1)).sum(-1)
    return ((line + 0.1 * meter) * mask).sum() / mask.sum().clamp(min=1)


def build_example(job: tuple[Known, dict[str, list[Take]], int | None]) -> Example:
    """Return `make_example` of a song, drum takes, and a seed or None."""
    one, takes, seed = job
    return make_example(one, takes, None if seed is None else np.random.default_rng(seed))


def pop_jobs(takes: dict[str, list[Take]]) -> list[tuple[Known, dict[str, list[Take]], int | None]]:
    """Return pop arrangements for `build_example`, three in four to be augmented."""
    rng = np.random.default_rng(7)
    sheets = [sheet for sheet in lead_sheets() if sheet.split == "train"] * POP_COPIES
    sheets += [made_sheet(rng) for _ in range(MADE_SONGS)]
    songs = [arrange(sheet, rng, held_out=False) for sheet in sheets]
    return [(one, takes, i if rng.random() < 0.75 else None) for i, one in enumerate(songs)]


def main() -> None:
    """Build examples, train, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--start", type=Path, help="weights to continue from")
    parser.add_argument("--teacher", type=Path, help="weights to stay close to")
    parser.add_argument("--teaching", type=float, default=0.4, help="weight of its probabilities")
    parser.add_argument("--share", nargs="*", default=[], help="share of a corpus, as in pop=0.9")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--size", type=int, default=32, help="excerpts a step")
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--copies", type=int, default=7, help="augmented copies of each song")
    parser.add_argument("--width", type=int, default=48)
    parser.add_argument("--without", nargs="*", default=[], help="corpora to leave out")
    args = parser.parse_args()
    for share in args.share:
        name, _, value = share.partition("=")
        WEIGHT[name] = float(value)
    songs = [one for corpus in CORPORA for one in known(corpus) if one.song.n_notes >= 8]
    train = [one for one in songs if one.split == "train" and one.corpus not in args.without]
    if WEIGHT["polish"]:
        train += [one for one in polish_scores() if one.split == "train" and one.song.n_notes >= 8]
    takes = drum_takes([one for one in train if one.corpus == "groove"])
    jobs = [(one, {}, None) for one in train]
    jobs += [
        (one, takes, n * len(train) + i) for n in range(args.copies) for i, one in enumerate(train)
    ]
    if "pop" not in args.without:
        jobs += pop_jobs(takes)
    with ProcessPoolExecutor() as pool:
        examples = list(pool.map(build_example, jobs, chunksize=64))
    held_out = [make_example(one, {}, None) for one in songs if one.split == "valid"]
    torch.manual_seed(0)
    rng, net = np.random.default_rng(0), Net(args.width)
    if args.start:
        net.load_arrays(load_file(args.start))
    teacher = Net(args.width).eval() if args.teacher else None
    if teacher is not None:
        teacher.load_arrays(load_file(args.teacher))
    average = copy.deepcopy(net).eval()  # of weights during training, which is saved
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.rate, total_steps=args.steps, pct_start=0.05
    )
    for step, batch in zip(
        range(1, args.steps + 1), batches(examples, rng, size=args.size), strict=False
    ):
        for group in GROUPS:  # dropout of groups of features
            if rng.random() < 0.1:
                batch[0][rng.integers(len(batch[0])) :, :, group] = 0
        line_loss, meter_loss = losses(net, batch)
        loss = line_loss + 0.1 * meter_loss
        if teacher is not None:
            loss = loss + args.teaching * distance(net, teacher, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        with torch.no_grad():
            for kept, now in zip(average.parameters(), net.parameters(), strict=True):
                kept.lerp_(now, 0.004)
        if step % 250 == 0 or step == args.steps:
            save(average, args.out)
            print(step, f"{line_loss:.3f}", validation_losses(average, held_out), flush=True)


@torch.no_grad()
def validation_losses(net: Net, held_out: list[Example]) -> str:
    """Return the losses of each corpus on held-out songs."""
    row = []
    for corpus in CORPORA:
        mine = [example for example in held_out if example.corpus == corpus]
        line, meter = losses(
            net, next(batches(mine, np.random.default_rng(1), size=48, oversample_rare=False))
        )
        row.append(f"{corpus} {line:.3f} {meter:.2f}")
    return ", ".join(row)


def save(net: Net, path: Path) -> None:
    """Save the weights."""
    from safetensors.numpy import save as to_bytes

    write_bytes(path, to_bytes(net.arrays()))


if __name__ == "__main__":
    main()
