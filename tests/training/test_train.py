"""Training runs: files, messages, interruption and resuming."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from musicvae import MusicVAE
from musicvae.checkpoints import MODEL_FILE, STATE_FILE, load, load_tensors
from musicvae.config.preset import Preset, load_preset
from musicvae.config.training import TrainingConfig
from musicvae.data import Shards, WindowDataset
from musicvae.data.prepare import prepare
from musicvae.errors import CheckpointError, DataError, TrainingError
from musicvae.io import write
from musicvae.networks.layers import latent_size
from musicvae.networks.priors.gaussian import LinearGaussianPrior
from musicvae.training import train
from musicvae.training.callbacks import TrainingMonitor, _selection_score
from musicvae.training.sampler import BatchSampler
from musicvae.training.schedule import Schedule
from support.songs import chorale_song, corpus_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a prepared folder, so that no test reads the songs again."""
    place = tmp_path_factory.mktemp("corpus")
    prepare(corpus_folder(place / "midi", n=12, bars=6), place / "shards")
    return place / "shards"


@pytest.fixture(scope="module")
def uninterrupted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run of 30 steps."""
    run = tmp_path_factory.mktemp("runs") / "uninterrupted"
    return train(folder, load_preset("tiny"), run, steps=30).folder


@pytest.fixture
def preset() -> Preset:
    return load_preset("tiny")


def same_tensors(a: Path, b: Path) -> bool:
    one, other = load_tensors(a)[0], load_tensors(b)[0]
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def interrupt_after(step: int) -> Callable[[object], None]:
    """Return an `on_step` callback that sends a SIGINT after some step."""

    def on_step(module) -> None:
        if module.schedule.step == step:
            signal.raise_signal(signal.SIGINT)

    return on_step


@pytest.mark.parametrize("installed", [True, False])
def test_curves_go_to_tensorboard_where_it_is_installed(
    folder, preset, tmp_path, monkeypatch, installed
) -> None:
    if installed:
        pytest.importorskip("tensorboard")
    else:
        monkeypatch.setattr("musicvae.training.trainer.find_spec", lambda name: None)
    train(folder, preset, tmp_path / "run", steps=1)
    assert bool(list((tmp_path / "run").glob("tensorboard/events.*"))) == installed
    assert (tmp_path / "run" / "metrics.csv").exists()


def test_files_of_a_run_and_falling_loss(folder, preset, tmp_path) -> None:
    rows = []
    result = train(folder, preset, tmp_path / "run", steps=120, on_validation=rows.append)
    files = {p.name for p in (tmp_path / "run").iterdir()}
    ours = files - {"tensorboard", ".lock"}
    assert ours == {MODEL_FILE, STATE_FILE, "metrics.csv", "preset.json"}
    assert result.steps == 120 and not result.interrupted
    assert rows[-1]["valid_loss"] < 0.8 * rows[0]["valid_loss"]
    written = list(csv.DictReader((tmp_path / "run" / "metrics.csv").read_text().splitlines()))
    assert [float(r["step"]) for r in written] == [r["step"] for r in rows]
    provenance = load(result.model).provenance
    assert provenance["finished"] and provenance["songs"] == 11 and provenance["held_out"]["f1"] > 0


@pytest.mark.parametrize("at", [1, 7, 20])
def test_interrupted_and_resumed_equals_uninterrupted(
    folder, preset, uninterrupted, tmp_path, at
) -> None:
    first = train(folder, preset, tmp_path / "run", steps=30, on_step=interrupt_after(at))
    assert first.interrupted and first.steps == at and first.model.exists()
    resumed = train(folder, preset, tmp_path / "run", steps=30, resume=True)
    assert resumed.steps == 30 and not resumed.interrupted
    assert same_tensors(uninterrupted / STATE_FILE, tmp_path / "run" / STATE_FILE)
    assert load(uninterrupted / MODEL_FILE).preset == load(resumed.model).preset


def test_another_seed_gives_other_weights(folder, preset, tmp_path) -> None:
    train(folder, preset, tmp_path / "a", steps=3)
    train(folder, preset.with_settings(["training.seed=1"]), tmp_path / "b", steps=3)
    assert not same_tensors(tmp_path / "a" / STATE_FILE, tmp_path / "b" / STATE_FILE)


def test_run_without_state_file_can_start_again(folder, preset, tmp_path) -> None:
    train(folder, preset, tmp_path / "run", steps=2, on_step=interrupt_after(1))
    (tmp_path / "run" / STATE_FILE).unlink()
    assert train(folder, preset, tmp_path / "run", steps=2).steps == 2


def test_resuming_extends_a_run(folder, preset, tmp_path) -> None:
    train(folder, preset, tmp_path / "run", steps=4)
    assert train(folder, preset, tmp_path / "run", steps=9, resume=True).steps == 9
    longer = train(folder, preset, tmp_path / "run", minutes=0.02, resume=True)
    assert longer.steps > 9 and load(longer.model).provenance["finished"]


def test_songs_without_usable_window_are_an_error(tmp_path, preset) -> None:
    for i in range(4):
        write(chorale_song(bars=3, meter=(7, 1), seed=i), tmp_path / "long" / f"{i}.mid")
    with pytest.raises(DataError, match=r"no window .* bar of over 24 cells"):
        train(tmp_path / "long", preset, tmp_path / "run", steps=1)


def test_run_is_never_overwritten(folder, preset, uninterrupted) -> None:
    before = (uninterrupted / MODEL_FILE).read_bytes()
    with pytest.raises(CheckpointError, match=r"uninterrupted: holds a run already; .*--resume"):
        train(folder, preset, uninterrupted, steps=2)
    assert (uninterrupted / MODEL_FILE).read_bytes() == before


def test_summary_accounts_for_every_file(tmp_path, preset) -> None:
    folder = corpus_folder(tmp_path, n=4)
    (folder / "notes.mid").write_text("this is no MIDI")
    summaries = []
    train(folder, preset, tmp_path / "checkpoints" / "run", steps=1, on_start=summaries.append)
    (summary,) = summaries
    assert summary.files == 5 and [s["path"] for s in summary.skipped] == ["notes.mid"]
    assert summary.counts["train"]["songs"] + summary.counts["valid"]["songs"] == 4
    assert summary.total_steps == 1 and summary.parameters > 10_000 and summary.windows_per_s > 0


def test_empty_folder_error_has_a_hint(tmp_path, preset) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty folder; .*corpus export chorales"):
        train(tmp_path / "empty", preset, tmp_path / "run", steps=1)
    assert not (tmp_path / "run").exists()


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("musicvae.training.schedule.time.monotonic", lambda: self.now)


def run_by_clock(schedule: Schedule, clock: Clock, step_s: Callable[[int], float]) -> list[float]:
    """Take steps until the schedule is done, validate when it is due; return learning rates."""
    rates = []
    while not schedule.done:
        rates.append(schedule.learning_rate(1.0, 1))
        clock.now += step_s(schedule.step)
        schedule.count_step()
        if schedule.validation_due:
            clock.now += 2.0
            schedule.record_validation(2.0, schedule.reserve_s)
    return rates


@pytest.mark.parametrize(
    "step_s",
    [lambda step: 0.1, lambda step: 0.8, lambda step: 0.1 if step < 200 else 1.0],
    ids=["as measured", "eight times slower", "slower from the middle on"],
)
def test_run_of_minutes_ends_by_the_clock(monkeypatch, step_s) -> None:
    clock = Clock(monkeypatch)
    schedule = Schedule(total_steps=1, started=clock.now)
    clock.now += 20.0  # reading
    schedule.begin(minutes=5, steps=None)
    schedule.start_steps(0.1, 2.0, 40.0)
    rates = run_by_clock(schedule, clock, step_s)
    assert schedule.total_steps == schedule.step
    assert 258 <= schedule.elapsed_s <= 264  # the reserve is left, and a validation at the end
    assert rates[0] > 0.99 and rates[-1] < 0.01
    assert all(after <= before for before, after in pairwise(rates))


def test_slow_reading_leaves_steps_their_share_of_the_minutes(monkeypatch) -> None:
    clock = Clock(monkeypatch)
    schedule = Schedule(total_steps=1, started=clock.now)
    clock.now += 500.0
    schedule.begin(minutes=10, steps=None)
    schedule.start_steps(0.1, 2.0, 30.0)
    assert schedule.overrun_s == pytest.approx(500 + 0.4 * 600 + 30 - 600)
    run_by_clock(schedule, clock, lambda step: 0.1)
    assert schedule.elapsed_s == pytest.approx(740, abs=4)


def test_resumed_minutes_go_on_where_they_were(monkeypatch) -> None:
    clock = Clock(monkeypatch)
    schedule = Schedule(total_steps=1, started=clock.now)
    schedule.begin(minutes=1, steps=None)
    schedule.start_steps(0.1, 0.5, 10.0)
    for _ in range(200):
        clock.now += 0.1
        schedule.count_step()
    rate, saved = schedule.learning_rate(1.0, 1), schedule.to_dict()
    clock.now += 10_000.0
    resumed = Schedule(total_steps=1, started=clock.now)
    resumed.resume(saved, minutes=None, steps=None)
    resumed.start_steps(0.1, 0.5, 10.0)
    assert resumed.step == 200 and resumed.learning_rate(1.0, 1) == pytest.approx(rate)
    run_by_clock(resumed, clock, lambda step: 0.1)
    assert resumed.elapsed_s == pytest.approx(50, abs=3)
    longer = Schedule(total_steps=1, started=clock.now)
    longer.resume(resumed.to_dict(), minutes=1, steps=None)
    assert not longer.done and longer.budget_s == pytest.approx(resumed.elapsed_s + 60)


def test_fixed_steps_follow_no_clock(monkeypatch) -> None:
    clock, rates = Clock(monkeypatch), []
    for step_s in (0.1, 7.0):
        schedule = Schedule(total_steps=1, started=clock.now)
        schedule.begin(minutes=1, steps=100)
        schedule.start_steps(0.1, 2.0, 30.0)
        rates.append(run_by_clock(schedule, clock, lambda step, s=step_s: s))
        assert schedule.step == 100
    assert rates[0] == rates[1] and len(rates[0]) == 100


@pytest.mark.parametrize(("objective", "name"), [("vae", "valid_f1"), ("dae", "valid_f1_denoised")])
def test_best_model_is_chosen_by_the_f1_that_is_shown(objective, name) -> None:
    training = TrainingConfig(objective=objective, kl_target_bits=50)
    row = {"valid_f1": 0.3, "valid_f1_denoised": 0.2, "valid_kl_bits": 400.0}
    assert _selection_score(row, training) == row[name]


def test_result_tells_what_was_done(folder, preset, tmp_path) -> None:
    result = train(folder, preset, tmp_path / "run", minutes=0.05)
    assert result.budget_minutes == 0.05 and result.minutes > 0
    with (result.folder / "metrics.csv").open(newline="") as file:
        validated = [int(row["step"]) for row in csv.DictReader(file)]
    assert result.total_steps == result.steps == validated[-1]
    assert load(result.model).provenance["steps"] in validated  # those of the best model
    assert result.epochs > 0
    by_steps = train(folder, preset, tmp_path / "steps", steps=3)
    assert by_steps.budget_minutes is None and by_steps.steps == 3


def test_batches_depend_on_seed_and_step_alone(folder, preset) -> None:
    windows = WindowDataset(Shards(folder), preset)
    kwargs = {"batch_size": 16, "seed": 3, "key_jitter": 0.5}
    one, other = BatchSampler(windows, **kwargs), BatchSampler(windows, **kwargs, start=5)
    for step in (9, 0, 5):
        for a, b in zip(one.batch(step), other.batch(step), strict=True):
            assert torch.equal(a, b)
    reseeded = BatchSampler(windows, **(kwargs | {"seed": 4}))
    assert not torch.equal(one.batch(0).key, reseeded.batch(0).key)


def test_ranks_divide_the_rows_of_one_batch(folder, preset) -> None:
    windows = WindowDataset(Shards(folder), preset)
    kwargs = {"batch_size": 16, "seed": 3, "key_jitter": 0.5}
    whole = BatchSampler(windows, **kwargs).batch(2)
    for rank in range(2):
        part = BatchSampler(windows, **kwargs, rank=rank, world=2).batch(2)
        assert torch.equal(part.n_notes, whole.n_notes[rank::2])
        assert torch.equal(part.key, whole.key[rank::2])


def metrics_row(**values: float) -> dict[str, float]:
    healthy = {"valid_loss": 50.0, "train_loss": 50.0, "valid_kl_bits": 90.0, "beta": 0.1}
    return healthy | values


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            [metrics_row(), metrics_row(), metrics_row(valid_kl_bits=1.0)],
            "posterior collapse",
        ),
        (
            [
                metrics_row(),
                metrics_row(train_loss=40.0),
                metrics_row(train_loss=30.0, valid_loss=60.0),
            ],
            "overfitting",
        ),
        ([metrics_row(), metrics_row(), metrics_row(train_loss=120.0)], "diverging"),
    ],
)
def test_each_problem_is_reported_once(rows, problem) -> None:
    messages: list[str] = []
    monitor = TrainingMonitor(messages.append)
    for n in range(1, len(rows) + 1):
        monitor.check(rows[:n], 100.0)
    monitor.check([*rows, rows[-1]], 100.0)
    assert len(messages) == 1 and messages[0].startswith(problem)


def test_healthy_run_gives_no_warning() -> None:
    messages: list[str] = []
    rows = [metrics_row(train_loss=50.0 - i, valid_loss=55.0 - i) for i in range(10)]
    for n in range(1, 11):
        TrainingMonitor(messages.append).check(rows[:n], 100.0)
    assert messages == []


def test_divergence_stops_the_run_and_keeps_the_best(folder, preset, tmp_path) -> None:
    def poison(module) -> None:
        if module.schedule.step == 12:
            for parameter in module.vae.parameters():
                parameter.data.fill_(float("nan"))

    with pytest.raises(
        TrainingError, match=r"run: the loss or the weights became NaN .* best model"
    ):
        train(folder, preset, tmp_path / "run", steps=40, on_step=poison)
    weights = load(tmp_path / "run" / MODEL_FILE).tensors_under("model")
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    state, _ = load_tensors(tmp_path / "run" / STATE_FILE)
    assert all(torch.isfinite(tensor).all() for tensor in state.values())


def test_run_that_diverges_at_once_keeps_no_model(folder, preset, tmp_path) -> None:
    def poison(module) -> None:
        next(module.vae.parameters()).data[0] = float("inf")

    with pytest.raises(TrainingError, match=r"the weights became NaN or infinite .* no model is"):
        train(folder, preset, tmp_path / "run", steps=40, on_step=poison)
    assert not (tmp_path / "run" / MODEL_FILE).exists()


def test_diverged_prior_is_replaced_by_a_simpler_one(folder, preset, tmp_path, monkeypatch) -> None:
    def broken(*args: object, **kwargs: object) -> LinearGaussianPrior:
        prior = LinearGaussianPrior.standard_normal(latent_size(preset), len(preset.meters) + 1)
        return replace(prior, step=prior.step * np.float32("nan"))

    monkeypatch.setattr("musicvae.training.finishing.fit_prior", broken)
    warnings: list[str] = []
    train(folder, preset, tmp_path / "run", steps=20, on_warning=warnings.append)
    assert any(line.startswith("the prior diverged") for line in warnings)
    checkpoint = load(tmp_path / "run" / MODEL_FILE)
    assert checkpoint.provenance["finished"] and "prior.step" in checkpoint.tensors


KILLED = """
import sys
from musicvae.config.preset import load_preset
from musicvae.training import train
train(sys.argv[1], load_preset("tiny"), sys.argv[2], steps=1500, resume=sys.argv[3] == "resume",
      on_validation=lambda row: print("validated", flush=True), on_step=lambda m: None)
"""


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed(folder, tmp_path) -> None:
    """After each kill -9 all files are complete; the result is that of an uninterrupted run."""
    train(folder, load_preset("tiny"), tmp_path / "uninterrupted", steps=1500)
    run, rng, kills = tmp_path / "killed", random.Random(0), 0
    for _ in range(40):
        mode = "resume" if (run / STATE_FILE).exists() else "new"
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder), str(run), mode])
        try:
            process.wait(timeout=rng.uniform(3, 9))
            assert process.returncode == 0
            break
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
        for name in (MODEL_FILE, STATE_FILE):
            if (run / name).exists():
                load_tensors(run / name)
    assert kills >= 2
    assert same_tensors(tmp_path / "uninterrupted" / STATE_FILE, run / STATE_FILE)


def test_remaining_time_follows_the_pace() -> None:
    schedule = Schedule(total_steps=100, step=50, spent_s=10.0, started=time.monotonic())
    schedule.start_steps(0.2, 1.0, 0.0)
    assert 9 < schedule.remaining_s < 11


def test_samples_sound_with_the_programs_of_the_training_songs(tmp_path, preset) -> None:
    for i in range(8):
        song = chorale_song(bars=4, seed=i)
        parts = [replace(part, program=40 + nth if i else 7) for nth, part in enumerate(song.parts)]
        write(replace(song, parts=tuple(parts)), tmp_path / "songs" / f"{i}.mid")
    result = train(tmp_path / "songs", preset, tmp_path / "run", steps=1)
    programs = load(result.model).provenance["programs"]
    assert len(programs) == len(preset.parts) and set(programs) <= set(range(40, 44))
    model = MusicVAE.load(result.model)
    for song in (*model.sample(1, bars=2), *model.decode_latents(np.zeros((1, model.vae.Z)))):
        assert [part.program for part in song.parts] == programs
