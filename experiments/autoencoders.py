"""Tables and figures of docs/autoencoders.md.

    python -m experiments.autoencoders FOLK CHORALES [--part compression|noise|samples|bits ...]
        [--steps 400] [--work autoencoders/] [--out docs/]

FOLK and CHORALES are folders written by `musicvae corpus export folk|chorales`. Trains small models
in one thread for a fixed number of steps, so that results are reproducible on one machine; stores
them under --work and reuses those that exist. Prints tables in Markdown and the processor time of
each training; saves figures to --out. All metrics are on held-out songs.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from experiments.autoencoder_figures import draw_curves, draw_rolls
from experiments.common import markdown_head, markdown_row
from experiments.pca_baseline import PcaCode
from musicvae.attributes import song_statistics
from musicvae.checkpoints import Checkpoint, load, save
from musicvae.config.preset import Preset, load_preset
from musicvae.data import Batch, WindowDataset
from musicvae.metrics.reconstruction import note_f1
from musicvae.networks.losses import (
    NATS_PER_BIT,
    compute_loss_terms,
    deterministic_noise,
    make_beta_controller,
)
from musicvae.networks.vae import VAE, to_note_rows, without_notes
from musicvae.representation.bars import Bars
from musicvae.representation.windows import WindowNotes, join_windows, window_bounds
from musicvae.song import Part
from musicvae.training.augmentation import corrupt_batch
from musicvae.training.sampler import BatchSampler
from musicvae.training.schedule import Schedule
from musicvae.training.validation import validate

SIZES = ("model.decoder=cells", "model.width=192", "model.blocks=2", "model.latent=64")
MEASURES = ("notes_per_bar", "in_scale", "consonant", "steps_and_thirds", "repeated")


@dataclass
class Lab:
    """Folders of data, models and figures, and the length of training."""

    folders: dict[str, str]
    work: Path
    out: Path
    steps: int

    def __post_init__(self) -> None:
        self._windows: dict[tuple[str, str], WindowDataset] = {}

    def windows(self, preset: Preset, split: str) -> WindowDataset:
        """A split of the songs that the preset is meant for; cut once for presets of one grid."""
        kind = preset.name.partition("-")[0]
        if (kind, split) not in self._windows:
            hop = 1 if split == "train" else preset.grid.bars
            self._windows[kind, split] = WindowDataset(
                self.folders[kind], preset, split=split, hop_bars=hop
            )
        windows = copy.copy(self._windows[kind, split])
        windows.preset = preset
        return windows

    def model(self, name: str, kind: str, *settings: str) -> VAE:
        """Return a model with these settings, loaded from --work or trained."""
        preset = load_preset(f"{kind}-2bar").with_settings([*SIZES, *settings])
        path, vae = self.work / f"{name}.safetensors", VAE(preset)
        if not path.exists():
            began = time.process_time()
            vae = self._train(preset)
            tensors = {f"model.{n}": t for n, t in vae.state_dict().items()}
            seconds = round(time.process_time() - began)
            save(Checkpoint(preset=preset, tensors=tensors, provenance={"cpu_s": seconds}), path)
            click.echo(f"trained {name}: {seconds} s of processor time", err=True)
        vae.load_state_dict(load(path).tensors_under("model"))
        return vae.eval()

    def _train(self, preset: Preset) -> VAE:
        """Train as `musicvae train --steps` does, without validation."""
        training = preset.training
        torch.manual_seed(training.seed)
        vae, windows = VAE(preset), self.windows(preset, "train")
        averaged = copy.deepcopy(vae)
        steps = BatchSampler(
            windows, batch_size=training.batch, seed=0, key_jitter=training.key_jitter
        )
        optimizer = torch.optim.AdamW(vae.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
        control, plan = make_beta_controller(training), Schedule(self.steps)
        for plan.step in range(self.steps):
            optimizer.param_groups[0]["lr"] = plan.learning_rate(4e-3, 100)
            batch, corrupted, _ = steps.example(plan.step)
            noise = deterministic_noise(0, plan.step, (len(batch.notes), vae.Z))
            with torch.autocast("cpu", torch.bfloat16):
                terms, _ = compute_loss_terms(vae, batch, noise, corrupted)
            terms.loss(control.beta, preset.model.context_free_weight).backward()
            torch.nn.utils.clip_grad_norm_(vae.parameters(), training.gradient_clip)
            optimizer.step()
            optimizer.zero_grad()
            if not training.deterministic:
                control.update(float(terms.kl.detach().mean()) / NATS_PER_BIT)
            decay = min(0.99, (1 + plan.step) / (10 + plan.step))
            with torch.no_grad():
                for mean, now in zip(averaged.parameters(), vae.parameters(), strict=True):
                    mean.lerp_(now, 1 - decay)
        return averaged

    def scores(self, vae: VAE) -> dict[str, float]:
        """Return validation metrics on 1,024 held-out windows."""
        return validate(vae, self.windows(vae.preset, "valid"), limit=1024)

    def held_out(self, vae: VAE, n: int, *, plain: bool = False) -> Batch:
        """Return `n` held-out windows; `plain`: only those of two whole bars of 4/4."""
        windows = self.windows(vae.preset, "valid")
        index = np.arange(len(windows))
        if plain:
            every = windows.batch(index)
            index = index[((every.steps == 16) & (every.lead_steps == 0)).all(1).numpy()]
        return windows.batch(index[np.linspace(0, len(index) - 1, n).astype(int)])


# -- compression ----------------------------------------------------------------------------------


def compression(lab: Lab) -> None:
    """Print reconstruction by latent size: autoencoders of notes, PCA of the roll."""
    sizes = (2, 4, 8, 16, 32, 64)
    table(["numbers a bar", "F1 `ae`", "with duration", "windows without an error", "F1 PCA"])
    ours, linear = [], []
    code = PcaCode(lab, 2 * max(sizes))
    for size in sizes:
        scores = lab.scores(autoencoder(lab, size))
        ours.append(scores["f1"])
        linear.append(code.f1(2 * size))
        row(size, scores["f1"], scores["f1_duration"], scores["perfect"], linear[-1])
    curves = {"autoencoder": (sizes, ours), "PCA of the roll": (sizes, linear)}
    draw_curves(
        lab.out / "autoencoders-compression.png",
        [("What compression costs", "numbers a bar", "onset-and-pitch F1", curves, {})],
    )
    click.echo()
    table(["16 numbers a bar", "F1", "with duration", "windows without an error"])
    roll = ("training.objective=ae", "model.latent=16", "model.decoder=roll")
    for name, vae in (
        ("notes, cross-entropy", autoencoder(lab, 16)),
        ("roll, cross-entropy", lab.model("ae-roll", "melody", *roll)),
        ("roll, squared", lab.model("ae-squared", "melody", *roll, "model.loss=squared")),
    ):
        scores = lab.scores(vae)
        row(name, scores["f1"], scores["f1_duration"], scores["perfect"])


def autoencoder(lab: Lab, size: int) -> VAE:
    """Return an `ae` of melodies with `size` latents a bar."""
    settings = ("training.objective=ae", f"model.latent={size}")
    return lab.model(f"ae-{size}", "melody", *settings)


def noise(lab: Lab) -> None:
    """Print denoising by kind and amount of corruption, for denoising and plain autoencoders."""
    plain = autoencoder(lab, 32)
    denoiser = lab.model("dae-32", "melody", "training.objective=dae", "model.latent=32")
    masked = ("training.objective=dae", "model.latent=32", "training.corruption=bar_mask")
    inpainter = lab.model("dae-masked", "melody", *masked)
    batch = lab.held_out(plain, 1024)
    frame, truth = without_notes(batch), to_note_rows(batch)

    def f1(vae: VAE, corrupted: Batch) -> float:
        return note_f1(vae.decode(vae.encode(corrupted).mu, frame).numpy(), truth).f1

    table(["notes", "amount", "as they come in", "through `ae`", "through `dae`", "`dae` of masks"])
    row("clean", 0, 1.0, *(f1(vae, batch) for vae in (plain, denoiser, inpainter)))
    for kind in (
        "pitch_substitution",
        "deletion",
        "insertion",
        "onset_jitter",
        "bar_mask",
        "transcription",
    ):
        for amount in (0.1, 0.3, 0.5):
            rng = np.random.default_rng(0)
            corrupted = corrupt_batch(batch, plain.preset, rng, kind=kind, amount=amount)
            figures = (f1(vae, corrupted) for vae in (plain, denoiser, inpainter))
            row(kind, amount, note_f1(to_note_rows(corrupted), truth).f1, *figures)
    shown = lab.held_out(plain, 4, plain=True)
    rng = np.random.default_rng(1)
    corrupted = corrupt_batch(shown, plain.preset, rng, kind="transcription", amount=0.5)
    denoised = denoiser.decode(denoiser.encode(corrupted).mu, without_notes(shown)).numpy()
    through = plain.decode(plain.encode(corrupted).mu, without_notes(shown)).numpy()
    panels = {"clean": to_note_rows(shown), "corrupted": to_note_rows(corrupted)}
    panels |= {"through ae": through, "through dae": denoised}
    draw_rolls(lab.out / "autoencoders-noise.png", panels)


# -- samples --------------------------------------------------------------------------------------


def samples(lab: Lab) -> None:
    """Print statistics of samples from the latent spaces of an `ae` and a `vae` of one size."""
    panels: dict[str, np.ndarray] = {}
    models = {
        "ae": lab.model("chorale-ae", "chorale", "training.objective=ae"),
        "vae 100": lab.model("chorale-vae", "chorale", "training.kl_target_bits=100"),
        "vae 40": lab.model("chorale-vae-40", "chorale", "training.kl_target_bits=40"),
    }
    table(["two-bar windows of chorales", "empty", *(name.replace("_", " ") for name in MEASURES)])
    frame = lab.held_out(models["ae"], 512, plain=True)
    real = to_note_rows(frame)
    panels["real"] = real
    statistics_row("held-out chorales", real, models["ae"].preset, 512)
    for name, vae in models.items():
        scores = lab.scores(vae)
        bits = f" at {scores['kl_bits']:.0f} bits" if "kl_bits" in scores else ""
        by_mean = vae.decode(vae.encode(frame).mu, without_notes(frame)).numpy()
        words = f"`{name}`: reconstructed{bits}, F1 {scores['f1']:.3f}"
        statistics_row(words, by_mean, vae.preset, 512)
        mean, factor, codes = fit_gaussian(lab, vae)
        drawn = deterministic_noise(0, 0, (512, vae.Z))
        for how, z in (("fitted Gaussian", mean + drawn @ factor.T), ("N(0, I)", drawn)):
            rows = vae.decode(z, without_notes(frame)).numpy()
            statistics_row(f"`{name}`: z from {'a ' * (how[0] == 'f')}{how}", rows, vae.preset, 512)
            if how == "N(0, I)" or name == "ae":
                panels[f"{name}, z from {how}"] = rows
        wide = codes.std(0)
        click.echo(
            f"deviation of the codes of {name}, over its {vae.Z} numbers: lowest {wide.min():.2f}, "
            f"median {wide.median():.2f}, highest {wide.max():.2f}",
            err=True,
        )
    draw_rolls(lab.out / "autoencoders-samples.png", panels, windows=(20, 150, 280, 410))


def fit_gaussian(lab: Lab, vae: VAE) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean `(Z,)` and square root of the covariance `(Z, Z)` of codes, and the codes.

    The codes are sampled from the posteriors of training windows.
    """
    windows = lab.windows(vae.preset, "train")
    every = windows.batch(np.linspace(0, len(windows) - 1, 4096).astype(int))
    every = Batch(*(t[((every.steps == 16) & (every.lead_steps == 0)).all(1)] for t in every))
    with torch.no_grad():
        posterior = vae.encode(every)
    codes = posterior.sample(deterministic_noise(1, 0, tuple(posterior.mu.shape)))
    values, vectors = torch.linalg.eigh(torch.cov(codes.T))
    return codes.mean(0), vectors * values.clamp(min=0).sqrt(), codes


def statistics(rows: np.ndarray, preset: Preset, n: int) -> dict[str, float]:
    """Return statistics of `n` windows of 4/4 joined end to end, and the share of empty ones."""
    bars, four = n * preset.grid.bars, np.full(n * preset.grid.bars, 4)
    blank = Bars.empty(
        tuple(Part.empty(part.name, part.program) for part in preset.parts),
        numerator=four,
        denominator=four,
        length_ticks=four * 480,
        qpm=np.full(bars, 90.0),
        ticks_per_quarter=480,
        steps_per_quarter=preset.grid.steps_per_quarter,
    )
    names = (field.name for field in fields(WindowNotes))
    columns = dict(zip(names, rows[rows[:, 2] > 0].T, strict=True))  # carry-ins extend nothing
    bounds = window_bounds(bars, preset.grid.bars, preset.grid.bars)
    notes, _ = join_windows(WindowNotes.sorted(**columns), blank.grid, *bounds)
    empty = 1 - len(np.unique(rows[rows[:, 2] > 0, 0])) / n
    return song_statistics(replace(blank, notes=notes)) | {"empty": empty}


def statistics_row(name: str, rows: np.ndarray, preset: Preset, n: int) -> None:
    """Print a row of statistics."""
    found = statistics(rows, preset, n)
    row(name, *(found.get(measure, 0.0) for measure in ("empty", *MEASURES)))


# -- bits -----------------------------------------------------------------------------------------


def bits(lab: Lab) -> None:
    """Print reconstruction and sample statistics at six KL targets."""
    heads = ["asked for", "KL bits", "F1", "F1 sampled", "active units", "loss, nats"]
    shown = ("in_scale", "steps_and_thirds", "repeated")
    table([*heads, *(f"prior: {name.replace('_', ' ')}" for name in shown)])
    found: dict[str, list[float]] = {name: [] for name in ("kl_bits", "f1", "f1_sampled", *shown)}
    real: dict[str, float] = {}
    for target in (10, 20, 30, 58, 100, 200):
        vae = lab.model(f"vae-{target}", "melody", f"training.kl_target_bits={target}")
        scores, frame = lab.scores(vae), lab.held_out(vae, 512, plain=True)
        rows = vae.decode(deterministic_noise(0, 0, (512, vae.Z)), without_notes(frame)).numpy()
        real = statistics(to_note_rows(frame), vae.preset, 512)
        scores |= statistics(rows, vae.preset, 512)
        names = ("kl_bits", "f1", "f1_sampled", "active_units", "loss", *shown)
        row(target, *(scores[name] for name in names))
        for name in found:
            found[name].append(scores[name])
    row("held-out tunes", *[""] * 5, *(real[name] for name in shown))
    kl = found["kl_bits"]
    given = {"from the mean": (kl, found["f1"]), "from a sampled z": (kl, found["f1_sampled"])}
    lines = {"in scale": (kl, found["in_scale"]), "steps, thirds": (kl, found["steps_and_thirds"])}
    levels = {"in scale": real["in_scale"], "steps, thirds": real["steps_and_thirds"]}
    draw_curves(
        lab.out / "autoencoders-bits.png",
        [
            ("Reconstruction", "KL, bits a window", "onset-and-pitch F1", given, {}),
            ("Samples from N(0, I)", "KL, bits a window", "share (dotted: real)", lines, levels),
        ],
    )


# -- tables ---------------------------------------------------------------------------------------


def table(heads: list[str]) -> None:
    """Print the head of a table."""
    click.echo(markdown_head(heads))


def row(*cells: object) -> None:
    """Print a row of a table, numbers below 1 with three decimals."""
    text = (f"{c:.3f}".replace("0.", ".", 1) if isinstance(c, float) and abs(c) < 1 else c
            if not isinstance(c, float) else f"{c:.1f}" for c in cells)  # fmt: skip
    click.echo(markdown_row(list(text)))


PARTS = {"compression": compression, "noise": noise, "samples": samples, "bits": bits}


@click.command()
@click.argument("folk")
@click.argument("chorales")
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)))
@click.option("--steps", default=400, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default="autoencoders")
@click.option("--out", type=click.Path(path_type=Path), default="docs")
def main(
    folk: str, chorales: str, parts: tuple[str, ...], steps: int, work: Path, out: Path
) -> None:
    """Make the tables and figures of docs/autoencoders.md."""
    torch.set_num_threads(1)
    lab = Lab({"melody": folk, "chorale": chorales}, work, out, steps)
    for part in parts or PARTS:
        click.echo(f"\n{part}\n")
        PARTS[part](lab)


if __name__ == "__main__":
    main()
