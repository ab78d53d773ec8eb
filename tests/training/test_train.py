"""Training: what it writes, what it says, and that interruptions change nothing."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from musicvae.checkpoints import MODEL_FILE, STATE_FILE, load, load_tensors
from musicvae.config.preset import load_preset
from musicvae.data import Shards, Windows, prepare_cached
from musicvae.errors import CheckpointError, DataError, TrainingError
from musicvae.io import write
from musicvae.training import train
from musicvae.training.callbacks import Warner
from musicvae.training.sampler import Steps
from musicvae.training.schedule import Plan
from support.songs import chorale_song, corpus_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return corpus_folder(tmp_path_factory.mktemp("midi"), n=12, bars=6)


@pytest.fixture
def preset():
    return load_preset("tiny")


def equal(a, b) -> bool:
    one, other = load_tensors(a)[0], load_tensors(b)[0]
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


class Stop:
    """Ends a run after some step, as a first Ctrl-C would."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, module) -> None:
        if module.plan.step == self.after:
            signal.raise_signal(signal.SIGINT)


def test_a_run_leaves_exactly_these_files_and_learns(folder, preset, tmp_path) -> None:
    rows = []
    result = train(folder, preset, tmp_path / "run", steps=120, on_check=rows.append)
    files = {p.name for p in (tmp_path / "run").iterdir()}
    assert files == {MODEL_FILE, STATE_FILE, "metrics.csv", "preset.json", "tensorboard"}
    assert result.steps == 120 and not result.interrupted
    assert rows[-1]["valid_loss"] < 0.8 * rows[0]["valid_loss"]
    written = list(csv.DictReader((tmp_path / "run" / "metrics.csv").read_text().splitlines()))
    assert [float(r["step"]) for r in written] == [r["step"] for r in rows]
    provenance = load(result.model).provenance
    assert provenance["finished"] and provenance["songs"] == 11 and provenance["held_out"]["f1"] > 0


@pytest.mark.parametrize("at", [1, 7, 20])
def test_interrupted_and_resumed_equals_uninterrupted(folder, preset, tmp_path, at) -> None:
    whole = train(folder, preset, tmp_path / "whole", steps=30)
    parted = train(folder, preset, tmp_path / "parted", steps=30, on_step=Stop(at))
    assert parted.interrupted and parted.steps == at and parted.model.exists()
    again = train(folder, preset, tmp_path / "parted", steps=30, resume=True)
    assert again.steps == 30 and not again.interrupted
    assert equal(tmp_path / "whole" / STATE_FILE, tmp_path / "parted" / STATE_FILE)
    assert load(whole.model).preset == load(again.model).preset


def test_another_seed_gives_other_weights(folder, preset, tmp_path) -> None:
    train(folder, preset, tmp_path / "a", steps=3)
    train(folder, preset.with_settings(["training.seed=1"]), tmp_path / "b", steps=3)
    assert not equal(tmp_path / "a" / STATE_FILE, tmp_path / "b" / STATE_FILE)


def test_a_run_killed_before_its_state_was_written_can_begin_again(
    folder, preset, tmp_path
) -> None:
    train(folder, preset, tmp_path / "run", steps=2, on_step=Stop(1))
    (tmp_path / "run" / STATE_FILE).unlink()
    assert train(folder, preset, tmp_path / "run", steps=2).steps == 2


def test_resuming_can_make_a_run_longer(folder, preset, tmp_path) -> None:
    train(folder, preset, tmp_path / "run", steps=4)
    assert train(folder, preset, tmp_path / "run", steps=9, resume=True).steps == 9
    longer = train(folder, preset, tmp_path / "run", minutes=0.02, resume=True)
    assert longer.steps > 9 and load(longer.model).provenance["finished"]


def test_songs_that_give_no_window_are_told(tmp_path, preset) -> None:
    for i in range(4):
        write(chorale_song(bars=3, meter=(7, 1), seed=i), tmp_path / "long" / f"{i}.mid")
    with pytest.raises(DataError, match=r"no window .* bar of over 24 cells"):
        train(tmp_path / "long", preset, tmp_path / "run", steps=1)


def test_a_run_is_never_overwritten(folder, preset, tmp_path) -> None:
    train(folder, preset, tmp_path / "run", steps=2)
    before = (tmp_path / "run" / MODEL_FILE).read_bytes()
    with pytest.raises(CheckpointError, match=r"run: holds a run already; .*--resume"):
        train(folder, preset, tmp_path / "run", steps=2)
    assert (tmp_path / "run" / MODEL_FILE).read_bytes() == before


def test_the_plan_accounts_for_every_file(tmp_path, preset) -> None:
    folder = corpus_folder(tmp_path, n=4)
    (folder / "notes.mid").write_text("this is no MIDI")
    plans = []
    train(folder, preset, tmp_path / "checkpoints" / "run", steps=1, on_plan=plans.append)
    (plan,) = plans
    assert plan.files == 5 and [s["path"] for s in plan.skipped] == ["notes.mid"]
    assert plan.counts["train"]["songs"] + plan.counts["valid"]["songs"] == 4
    assert plan.total_steps == 1 and plan.parameters > 10_000 and plan.windows_per_s > 0


def test_a_folder_without_music_is_told_what_to_do(tmp_path, preset) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty folder; .*corpus export chorales"):
        train(tmp_path / "empty", preset, tmp_path / "run", steps=1)
    assert not (tmp_path / "run").exists()


def test_minutes_become_steps_that_fit_the_pace() -> None:
    plan = Plan(total_steps=10_000, budget_s=60.0, step=100, spent_s=30.0)
    plan.checked()
    assert 190 <= plan.total_steps <= 201  # 100 steps took 30 s: another 30 s are about 100
    rates = [Plan(total_steps=100, step=s).learning_rate(1.0, 10) for s in (0, 9, 50, 99, 100)]
    assert rates[0] < 0.2 and rates[1] > 0.9 and 0.4 < rates[2] < 0.6 and rates[4] == 0.0


def test_batches_depend_on_seed_and_step_alone(folder, preset) -> None:
    windows = Windows(Shards(prepare_cached(folder)), preset)
    kwargs = {"batch": 16, "seed": 3, "key_jitter": 0.5}
    one, other = Steps(windows, **kwargs), Steps(windows, **kwargs, start=5)
    for step in (9, 0, 5):
        for a, b in zip(one.at(step), other.at(step), strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(one.at(0).key, Steps(windows, **(kwargs | {"seed": 4})).at(0).key)


def test_ranks_share_out_the_rows_of_one_batch(folder, preset) -> None:
    windows = Windows(Shards(prepare_cached(folder)), preset)
    kwargs = {"batch": 16, "seed": 3, "key_jitter": 0.5}
    whole = Steps(windows, **kwargs).at(2)
    for rank in range(2):
        mine = Steps(windows, **kwargs, rank=rank, world=2).at(2)
        assert torch.equal(mine.n_notes, whole.n_notes[rank::2])
        assert torch.equal(mine.key, whole.key[rank::2])


def _row(**values: float) -> dict[str, float]:
    usual = {"valid_loss": 50.0, "train_loss": 50.0, "valid_kl_bits": 90.0, "beta": 0.1}
    return usual | values


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([_row(), _row(), _row(valid_kl_bits=1.0)], "posterior collapse"),
        ([_row(), _row(train_loss=40.0), _row(train_loss=30.0, valid_loss=60.0)], "overfitting"),
        ([_row(), _row(), _row(train_loss=120.0)], "diverging"),
    ],
)
def test_trouble_is_named_once(rows, word) -> None:
    said: list[str] = []
    warner = Warner(said.append)
    for n in range(1, len(rows) + 1):
        warner.look(rows[:n], 100.0)
    warner.look([*rows, rows[-1]], 100.0)
    assert len(said) == 1 and said[0].startswith(word)


def test_a_healthy_run_says_nothing() -> None:
    said: list[str] = []
    rows = [_row(train_loss=50.0 - i, valid_loss=55.0 - i) for i in range(10)]
    for n in range(1, 11):
        Warner(said.append).look(rows[:n], 100.0)
    assert said == []


def test_divergence_stops_the_run_and_keeps_the_best(folder, preset, tmp_path) -> None:

    def poison(module) -> None:
        if module.plan.step == 12:
            for parameter in module.vae.parameters():
                parameter.data.fill_(float("nan"))

    with pytest.raises(TrainingError, match=r"run: the loss stopped being a number .* best model"):
        train(folder, preset, tmp_path / "run", steps=40, on_step=poison)
    weights = load(tmp_path / "run" / MODEL_FILE).under("model")
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    state, _ = load_tensors(tmp_path / "run" / STATE_FILE)
    assert all(torch.isfinite(tensor).all() for tensor in state.values())


KILLED = """
import sys
from musicvae.config.preset import load_preset
from musicvae.training import train
train(sys.argv[1], load_preset("tiny"), sys.argv[2], steps=1500, resume=sys.argv[3] == "resume",
      on_check=lambda row: print("check", flush=True), on_step=lambda m: None)
"""


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed(folder, tmp_path) -> None:
    """kill -9, again and again: every file stays whole, and the end is the same as without."""
    train(folder, load_preset("tiny"), tmp_path / "whole", steps=1500)
    run, rng, kills = tmp_path / "killed", random.Random(0), 0
    for _ in range(40):
        how = "resume" if (run / STATE_FILE).exists() else "new"
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder), str(run), how])
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
    assert equal(tmp_path / "whole" / STATE_FILE, run / STATE_FILE)


def test_time_left_shrinks() -> None:
    plan = Plan(total_steps=100, step=50, spent_s=10.0, started=time.monotonic())
    assert 9 < plan.left_s < 11
