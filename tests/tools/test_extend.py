"""Variations, continuations, bars written anew, and form: what must stay, and what must follow."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from musicvae.attributes.form import form_labels, matrix_overlap, section_labels, self_similarity
from musicvae.checkpoints import find, load, save
from musicvae.cli import main
from musicvae.config.preset import load_preset
from musicvae.data import WindowDataset
from musicvae.downbeats import estimate_barlines
from musicvae.errors import ConfigError, DataError
from musicvae.io import read, write
from musicvae.metrics.reconstruction import note_cells, note_distance
from musicvae.model import MusicVAE
from musicvae.networks.priors import load_prior
from musicvae.networks.priors.conditioning import KnownLatents
from musicvae.networks.priors.flow import FlowPrior
from musicvae.networks.priors.gaussian import LinearGaussianPrior
from musicvae.networks.vae import to_note_rows, keep_bars
from musicvae.representation.bars import Bars
from musicvae.song import MeterMap, Part, Song
from musicvae.training import train
from musicvae.training.fit_flow import fit_flow, sample_known_windows
from musicvae.training.fit_prior import sample_known_bars
from musicvae.training.provenance import pickups
from musicvae.training.song_forms import song_forms
from support.priors import conditioning_of, paths_of, small, two_kinds
from support.songs import band_song, chorale_song, corpus_folder
from support.strategies import part_of

# -- forms ------------------------------------------------------------------------------------


def test_a_form_in_letters_is_labels_of_bars_that_end() -> None:
    label = section_labels("AABA", 16)
    assert label.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 14, 15]
    assert section_labels("AB", 5).tolist() == [0, 1, 2, 3, 4]
    assert section_labels("AA", 7).tolist() == [0, 1, 2, 3, 0, 5, 6]


def test_bars_that_come_back_are_found_a_whole_number_of_windows_away() -> None:
    bars = [0, 1, 2, 3, 0, 1, 4, 1]  # which of five bars of four notes stands where
    notes = [(i, s, 60 + 4 * what + s) for i, what in enumerate(bars) for s in range(4)]
    bar, step, line = np.array(notes).T
    alike = self_similarity(bar, step, line, len(bars))
    assert alike.shape == (8, 8) and alike[0, 4] == 1 and alike[0, 1] == 0
    assert form_labels(alike).tolist() == [0, 1, 2, 3, 0, 1, 6, 1]
    assert form_labels(alike, 2).tolist() == [0, 1, 2, 3, 0, 1, 6, 1]
    assert form_labels(alike, 4).tolist() == [0, 1, 2, 3, 0, 1, 6, 7]
    assert matrix_overlap([alike], [alike]) == 1
    assert matrix_overlap([alike], [np.eye(8)]) < 1


def test_silent_bars_are_alike() -> None:
    alike = self_similarity(np.array([0]), np.array([3]), np.array([60]), 3)
    assert alike.tolist() == [[1, 0, 0], [0, 1, 1], [0, 1, 1]]


# -- priors -----------------------------------------------------------------------------------


def given_of(z: np.ndarray, windows: list[int]) -> KnownLatents:
    """Paths of which these windows are known, one bar each."""
    bars = np.zeros((*z.shape[:2], 1), bool)
    bars[:, windows] = True
    return KnownLatents(z=z.astype(np.float32), bar_mask=bars)


def test_the_linear_prior_bridges_a_hole_as_a_gaussian_does() -> None:
    """An autoregression with one strong step: what is between two ends lies on the way."""
    rng = np.random.default_rng(0)
    path = np.zeros((400, 9, 2))
    for w in range(1, 9):
        path[:, w] = 0.9 * path[:, w - 1] + 0.3 * rng.standard_normal((400, 2))
    prior, n = LinearGaussianPrior.fit(paths_of(path), 1), 3000
    ends = np.zeros((n, 9, 2))
    ends[:, 3], ends[:, 5] = 1.0, 2.0
    z = prior.sample(conditioning_of(n, 9), rng=rng, known=given_of(ends, [3, 5]))
    np.testing.assert_array_equal(z[:, [3, 5]], ends[:, [3, 5]].astype(np.float32))
    m, a = prior.mean[0, 1], prior.step
    noise = prior.factor[1] @ prior.factor[1].T
    # p(x4 | x3, x5): precision and mean of the product of two Gaussians.
    precision = np.linalg.inv(noise) + a.T @ np.linalg.inv(noise) @ a
    pull = np.linalg.inv(noise) @ a @ (1 - m) + a.T @ np.linalg.inv(noise) @ (2 - m)
    np.testing.assert_allclose(z[:, 4].mean(0), m + np.linalg.solve(precision, pull), atol=0.03)
    np.testing.assert_allclose(np.cov(z[:, 4].T), np.linalg.inv(precision), atol=0.02)
    assert z[:, 2].mean() > 0.5  # and what was before is drawn towards it too


@pytest.fixture(scope="module")
def flow() -> FlowPrior:
    return fit_flow(paths_of(two_kinds(400, 6)), small(400, bars=1), steps=400)[0]


@pytest.mark.parametrize("known", [[0], [5], [2, 3], [0, 5]])
def test_a_flow_hears_what_is_known_wherever_it_stands(flow, known) -> None:
    kinds = np.random.default_rng(1).choice([-1.0, 1.0], (240, 1, 1))
    z = np.broadcast_to(kinds, (240, 6, 16))
    drawn = flow.sample(conditioning_of(240, 6), rng=np.random.default_rng(0), known=given_of(z, known))
    np.testing.assert_allclose(drawn[:, known], z[:, known], atol=1e-5)
    others = np.delete(drawn, known, axis=1)
    right = np.sign(others.mean(-1)) == kinds[:, 0]
    assert right.mean() > (0.75 if len(known) == 1 else 0.9)  # chance is .5


def test_a_flow_that_has_not_learned_to_hear_is_held_by_noise(flow) -> None:
    """A checkpoint from before: without `hint` and forms it loads, and fills a hole."""
    tensors = {name: torch.from_numpy(t) for name, t in flow.tensors().items()}
    old = {n: t for n, t in tensors.items() if n not in ("hint.weight", "hinted", "forms")}
    again = load_prior(old)
    assert isinstance(again, FlowPrior) and again.hint is None
    z = np.ones((40, 6, 16))
    drawn = again.sample(conditioning_of(40, 6), rng=np.random.default_rng(0), known=given_of(z, [4, 5]))
    np.testing.assert_allclose(drawn[:, 4:], 1, atol=1e-5)
    assert np.isfinite(drawn).all()
    assert np.array_equal(again.sample_forms(1, 5, np.random.default_rng(0)), [range(5)])


def test_tied_bars_are_alike_and_a_long_path_repeats_what_it_drew(flow) -> None:
    n, W = 20, 70  # three pieces
    tied = np.tile(np.arange(W), (n, 1))
    tied[:, 4:6] = [0, 1]
    tied[:, 60:62] = [0, 1]
    z = flow.sample(conditioning_of(n, W), rng=np.random.default_rng(0), bar_labels=tied[..., None])
    apart = np.abs(z - z[:, :1]).mean((0, 2))
    assert apart[60] == 0 and apart[4] < 0.7 * apart[[2, 3, 5, 7, 9]].mean()


@pytest.mark.parametrize("kind", ["flow", "gaussian"])
def test_an_amount_goes_from_what_is_given_to_what_is_drawn(flow, kind) -> None:
    z = two_kinds(30, 6).astype(np.float32)
    prior = flow if kind == "flow" else LinearGaussianPrior.fit(paths_of(two_kinds(400, 6)), 10)
    given = given_of(z, list(range(6)))
    far = [
        np.abs(
            prior.sample(conditioning_of(30, 6), rng=np.random.default_rng(0), known=given, amount=amount)
            - z
        ).mean()
        for amount in (0.02, 0.3, 0.6, 0.9)
    ]
    assert far[0] < 0.1 and all(a < b for a, b in pairwise(far))


def test_which_windows_are_known_in_training() -> None:
    length = np.full(4000, 8)
    length[:2000] = 3
    known, hinted = sample_known_windows(length, 8, np.random.default_rng(0))
    assert known.shape == (4000, 8) and not (known & hinted).any()
    for of, n in ((known[:2000], 3), (known[2000:], 8)):
        inside = of[:, :n]
        assert 0.3 < (~inside.any(1)).mean() < 0.6  # of many nothing is known
        assert (inside.all(1)).mean() < 0.15  # few have nothing to learn
        assert (inside[:, 0] & inside[:, -1] & ~inside.all(1)).mean() > 0.05  # holes


def test_what_is_left_of_windows() -> None:
    real = np.ones((3000, 4), bool)
    real[:1000, 1:] = False
    real[1000:2000, 3:] = False
    kept = sample_known_bars(real, np.random.default_rng(0))
    assert not kept[:1000].any() and not (kept & ~real).any()
    n = kept[1000:].sum(1)
    assert n.min() == 1 and (n < real[1000:].sum(1)).all()
    assert kept[1000:, 0].mean() > 0.3 and (~kept[1000:, 0]).mean() > 0.3


# -- a model ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    corpus_folder(folder / "midi", n=8, bars=8)
    train(folder / "midi", load_preset("tiny"), folder / "run", steps=40)
    return folder


@pytest.fixture(scope="module")
def model(place) -> MusicVAE:
    return MusicVAE.load(place / "run")


@pytest.fixture(scope="module")
def gaussian(place) -> MusicVAE:
    """The same model without a prior: every window for itself."""
    found = load(find(place / "run"))
    tensors = {n: t for n, t in found.tensors.items() if not n.startswith("prior.")}
    return MusicVAE.load(save(replace(found, tensors=tensors), place / "bare.safetensors"))


def columns(part: Part) -> list[tuple[int, ...]]:
    names = ("onset_ticks", "duration_ticks", "pitch", "velocity")
    return list(zip(*(getattr(part, name).tolist() for name in names), strict=True))


def odd_song(seed: int = 0) -> Song:
    """Off the grid, with a pickup, a change of meter, a tie over each bar line and drums."""
    rng = np.random.default_rng(seed)
    line = [(i * 11 + int(rng.integers(0, 3)), 14, 60 + i % 9, 50 + i % 60) for i in range(60)]
    low = [(i * 96 + 12, 108, 40 + i % 5, 70) for i in range(7)]
    kit = [(i * 24, 6, 35 + i % 2 * 3, 99) for i in range(30)]
    parts = [
        part_of(line, 20, name="Lead"),
        part_of(low, 20, name="Low", program=33),
        part_of(kit, 20, name="Kit", is_drum=True),
    ]
    meter = MeterMap(
        ticks=np.array([0, 480, 480 + 4 * 1920]),
        numerator=np.array([1, 4, 3]),
        denominator=np.array([4, 4, 4]),
    )
    return replace(Song.new(parts, qpm=90), meter=meter)


def test_the_windows_of_a_batch_lose_bars(place) -> None:
    windows = WindowDataset(place / "midi", "tiny")
    batch = windows.batch(np.arange(6))
    kept = torch.ones(6, 2, dtype=torch.bool)
    kept[:3, 1] = False
    less = keep_bars(batch, kept)
    rows, left = to_note_rows(batch), to_note_rows(less)
    gone = (rows[:, 0] < 3) & (rows[:, 1] == 1)
    assert gone.sum() > 0 and np.array_equal(left, rows[~gone])
    assert not less.present[:3, 1].any() and torch.equal(less.present[3:], batch.present[3:])


def test_forms_of_songs_are_kept_with_the_prior(place, model) -> None:
    windows = WindowDataset(place / "midi", "tiny", split="train")
    forms = song_forms(windows)
    assert isinstance(model.prior, FlowPrior) and len(forms) == len(model.prior.forms)
    there = forms >= 0
    assert (forms <= np.arange(forms.shape[1])).all() and there[:, 0].all()
    label = model.prior.sample_forms(3, 5, np.random.default_rng(0))
    assert label.shape == (3, 5) and (label <= np.arange(5)).all()
    longer = model.prior.sample_forms(2, 90, np.random.default_rng(0))  # than any form that is kept
    assert longer.shape == (2, 90) and np.array_equal(longer[:, 64:], [range(64, 90)] * 2)


def test_the_second_notes_of_a_few_chords_are_no_form(tmp_path) -> None:
    line = [(i * 48, 48, 60 + (i * i) % 11, 80) for i in range(40)]
    double = [(i * 48, 48, 50, 80) for i in (5, 22)]
    song = Song.new([part_of(sorted(line + double), 10, name="Fiddle")])
    write(song, tmp_path / "midi" / "fiddle.mid")
    windows = WindowDataset(tmp_path / "midi", "melody-2bar", split="all")
    assert len(windows.inputs) == 2  # the line, and what sounds with it
    assert len(song_forms(windows)) == 1
    assert pickups(windows) == {"4/4": {"0": 1}}  # and one song


def test_amount_0_is_the_reconstruction_and_more_is_further(model) -> None:
    song = chorale_song(bars=9, meter=(3, 4), pickup=1)
    assert model.vary(song, amount=0) == model.reconstruct(song)
    base = note_cells(model.reconstruct(song))
    near, far = (
        note_distance(base, note_cells(model.vary(song, amount=amount, seed=2)))
        for amount in (0.05, 1.0)
    )
    assert near < far
    one, again, other = (model.vary(song, seed=seed) for seed in (1, 1, 2))
    assert one == again and one != other
    assert one.end_ticks == song.end_ticks and one.meter == song.meter and one.tempo == song.tempo
    assert [part.name for part in one.parts] == [part.name for part in song.parts]


@pytest.mark.parametrize("which", ["model", "gaussian"])
@pytest.mark.parametrize("bars", [1, 5])
def test_a_song_goes_on_and_stays_as_it_was(which, bars, request) -> None:
    model = request.getfixturevalue(which)
    for song in (chorale_song(bars=5, meter=(3, 4), pickup=1), odd_song(), band_song()):
        longer = model.extend(song, bars=bars, seed=3)
        grid = Bars.from_song(replace(longer, parts=())).grid
        before = Bars.from_song(replace(estimate_barlines(song).song, parts=())).grid
        begin = int(before.start_ticks[-1] + before.length_ticks[-1])
        full = int(before.length_ticks[-1])
        written = Bars.from_song(replace(song, parts=())).grid
        believed = np.array_equal(before.start_ticks, written.start_ticks)
        pickup = int(before.length_ticks[0]) if before.lead_steps[0] and believed else 0
        assert longer.end_ticks == begin + bars * full - pickup
        if believed:
            assert len(grid) == len(before) + bars
            assert grid.length_ticks[-1] == full - pickup
        new = 0
        for part, was in zip(longer.parts, song.parts, strict=True):
            assert (part.name, part.program, part.is_drum) == (was.name, was.program, was.is_drum)
            old = part.take(part.onset_ticks < begin)
            assert columns(old) == columns(was)
            new += len(part) - len(was)
        assert new > 0
        assert longer == model.extend(song, bars=bars, seed=3)
    assert bars == 1 or longer != model.extend(song, bars=bars, seed=4)


@pytest.mark.parametrize("which", ["model", "gaussian"])
@pytest.mark.parametrize("span", [(1, 1), (2, 4), (3, 3), (1, 2)])
def test_some_bars_are_written_anew_and_nothing_else(which, span, request) -> None:
    model = request.getfixturevalue(which)
    for song in (chorale_song(bars=5, meter=(3, 4), pickup=1), odd_song()):
        aligned = estimate_barlines(song)
        made = model.infill(aligned, *span, seed=1)
        grid = Bars.from_song(replace(aligned.song, parts=())).grid
        first = span[0] - (grid.lead_steps[0] == 0)
        begin, stop = grid.start_ticks[first], grid.start_ticks[first + span[1] - span[0] + 1]
        slack = song.ticks_per_quarter // 8  # a note a little early is in the bar it leads to
        assert made.meter == song.meter and made.end_ticks == song.end_ticks
        changed = False
        for part, was in zip(made.parts, song.parts, strict=True):
            early, late = begin - slack, stop + slack
            for one, other in ((part, was), (was, part)):
                outside = one.select((one.onset_ticks < early) | (one.onset_ticks >= late))
                assert set(columns(outside)) <= set(columns(other))
            if part.is_drum:
                assert columns(part) == columns(was)
            changed |= columns(part) != columns(was)
        assert changed


def test_a_short_last_bar_is_no_meter_to_go_on_in(model) -> None:
    song = chorale_song(bars=6)
    meter = MeterMap(
        ticks=np.array([0, 5 * 1920]), numerator=np.array([4, 2]), denominator=np.array([4, 4])
    )
    parts = tuple(part.select(part.onset_ticks < 5 * 1920 + 960) for part in song.parts)
    short = replace(song, parts=parts, meter=meter, end_ticks=5 * 1920 + 960)
    longer = model.extend(estimate_barlines(short, as_written=True), bars=3, seed=0)
    grid = Bars.from_song(longer).grid
    assert grid.length_ticks.tolist() == [1920] * 5 + [960] + [1920] * 3


def test_a_note_held_into_a_hole_is_not_broken(model) -> None:
    long = part_of([(0, 200, 60, 80), (240, 96, 64, 80), (336, 48, 62, 80)], 20)
    song = Song.new([long], end_ticks=480 * 16)
    made = model.infill(song, 2, 2, seed=0).parts[0]
    assert (0, 200 * 20, 60, 80) in columns(made)
    held = (made.onset_ticks > 0) & (made.onset_ticks < 200 * 20)
    assert not held.any()


def test_a_pickup_is_bar_0_and_bars_that_are_not_there_are_told(model) -> None:
    song = chorale_song(bars=5, meter=(3, 4), pickup=1)
    assert model.infill(song, 0, 1).n_notes > 0
    with pytest.raises(ConfigError, match="bars 5-6: the song has bars 0-5"):
        model.infill(song, 5, 6)
    with pytest.raises(ConfigError, match="bars 0-1: the song has bars 1-"):
        model.infill(band_song(), 0, 1)
    with pytest.raises(DataError, match=r"nothing .* stands around"):
        model.infill(song, 0, 5)


def test_songs_without_notes_are_told(model) -> None:
    empty = Song.new([Part.empty("A")], end_ticks=1920)
    drums = Song.new([part_of([(0, 6, 36, 90)], 20, is_drum=True)])
    for song in (empty, drums):
        for make in (
            lambda s: model.vary(s),
            lambda s: model.extend(s),
            lambda s: model.infill(s, 1, 1),
        ):
            with pytest.raises(DataError):
                make(song)
    for amount in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match="amount"):
            model.vary(band_song(), amount=amount)
    with pytest.raises(ConfigError, match="at least one bar"):
        model.extend(band_song(), bars=0)


def test_a_form_is_heard(model) -> None:
    songs = model.sample(6, form="AABA", bars=16, seed=0)

    def between(a: int, b: int) -> float:
        """How far apart sections of four bars are, mean over songs."""
        found = []
        for song in songs:
            cells = note_cells(song, by_bar=False)
            section = [cells[(cells[:, 0] // 64) == nth] - [64 * nth, 0] for nth in (a, b)]
            found.append(note_distance(*section))
        return float(np.mean(found))

    assert [song.end_ticks for song in songs] == [16 * 1920] * 6
    assert between(0, 1) < 0.6 * between(0, 2)
    assert songs == model.sample(6, form="AABA", bars=16, seed=0)
    assert Bars.from_song(model.sample(1, form="AB")[0]).grid.start_ticks[-1] == 15 * 1920
    with pytest.raises(ConfigError, match="give letters"):
        model.sample(1, form="A-B")
    with pytest.raises(ConfigError, match="too few"):
        model.sample(1, form="AABA", bars=3)
    with pytest.raises(ConfigError, match="at least one bar"):
        model.sample(1, bars=0)


# -- commands ---------------------------------------------------------------------------------


@pytest.fixture
def here(place, monkeypatch) -> Path:
    monkeypatch.chdir(place)
    write(chorale_song(bars=5, meter=(3, 4), pickup=1), "hymn.mid")
    return place


def run(*words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--checkpoint", "run", "--json"])


def lines_of(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_commands_write_neighbours_of_a_song(here, tmp_path) -> None:
    out = str(tmp_path)
    noise_latents = run("vary", "hymn.mid", "--amount", "0.7", "--n", "2", "--seed", "4", "--out", out)
    first, second = lines_of(noise_latents)
    assert (first["seed"], second["seed"], first["amount"]) == (4, 5, 0.7)
    assert [Path(line["path"]).name for line in (first, second)] == ["hymn-01.mid", "hymn-02.mid"]
    (longer,) = lines_of(run("continue", "hymn.mid", "--bars", "3", "--seed", "1", "--out", out))
    song, made = read("hymn.mid"), read(longer["path"])
    assert Path(longer["path"]).name == "hymn-03.mid"  # nothing is overwritten
    assert made.end_ticks == song.end_ticks + 3 * 1440 - 480  # the pickup that it begins with
    assert longer["source"] == "hymn.mid"
    (filled,) = lines_of(run("infill", "hymn.mid", "--bars", "2-3", "--seed", "1", "--out", out))
    assert filled["bars"] == "2-3" and read(filled["path"]).end_ticks == song.end_ticks
    (shaped,) = lines_of(run("sample", "--n", "1", "--form", "ABA", "--seed", "1", "--out", out))
    assert Bars.from_song(read(shaped["path"])).grid.start_ticks[-1] == 23 * 1920


def test_commands_say_what_is_wrong(here, tmp_path) -> None:
    write(Song.new([Part.empty("A")], end_ticks=1920), "empty.mid")
    for words, said in (
        (("infill", "hymn.mid", "--bars", "4-9"), "bars 4-9: the song has bars 0-5"),
        (("continue", "empty.mid"), "has no notes"),
        (("vary", "empty.mid"), "nothing that preset tiny can represent"),
        (("vary", "none.mid"), "none.mid"),
        (("sample", "--form", "A?"), "give letters"),
    ):
        result = run(*words, "--out", str(tmp_path))
        told = [line for line in result.stderr.splitlines() if line.startswith("musicvae: ")]
        assert result.exit_code == 1 and len(told) == 1 and said in told[0], result.stderr
    for bars in ("5-3", "a-b", "-2", "5-"):
        result = run("infill", "hymn.mid", f"--bars={bars}")
        assert result.exit_code == 2 and "--bars" in result.stderr


def test_a_sample_with_a_pickup_ends_as_much_shorter(model) -> None:
    songs = model.sample(2, bars=9, meter="4/4", pickup="1/4", form="AAB", seed=1)
    grid = Bars.from_song(songs[0]).grid
    assert len(grid) == 10 and grid.lead_steps[0] == 3 * 24 and grid.length_ticks.sum() == 9 * 1920
    assert grid.length_ticks[-1] == 3 * 480
    assert all(part.end_ticks <= 9 * 1920 for song in songs for part in song.parts if len(part))
    assert songs == model.sample(2, bars=9, meter="4/4", pickup="1/4", form="AAB", seed=1)
    assert len(Bars.from_song(model.sample(1, bars=9, meter="4/4", pickup="0")[0])) == 9
    with pytest.raises(ConfigError, match="not shorter than a bar"):
        model.sample(1, meter="3/4", pickup="3/4")


def test_pickups_of_the_songs_are_kept_with_the_model(place, model) -> None:
    """Songs of three meters in three keys, every third with a pickup of a quarter."""
    known = model.provenance["pickups"]
    assert sum(sum(count.values()) for count in known.values()) == model.provenance["songs"]
    assert {share for count in known.values() for share in count} <= {"0", "1/4", "1/8"}
