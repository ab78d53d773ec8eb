"""Drum expression, and beats for a rhythm."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musicvae import Bars, MusicVAE, Song
from musicvae.config.preset import load_preset
from musicvae.data.corruption import NEUTRAL_VELOCITY, TAP_PITCH, WindowGrid, corrupt
from musicvae.errors import ConfigError, DataError
from musicvae.io import read, write
from musicvae.representation.bars import Notes
from musicvae.representation.drums import canonical_pitch
from musicvae.tools.groove import _rhythm_parts, _tap_notes, fill_rests
from musicvae.training import train
from support.cli import run
from support.songs import band_song, chorale_song, part_from_notes

LATE = 30  # 960ths of a quarter of delay of the snare


def beat(bars: int = 8, seed: int = 0) -> Song:
    """Return a beat with constant expression: loud kicks, late snares, soft off-beats."""
    rng = np.random.default_rng(seed)
    hits = []
    for q in range(4 * bars):
        at, snare = q * 480, q % 2 == 1
        hits.append(
            (at + (LATE // 2 if snare else 0), 60, 38 if snare else 36, 90 if snare else 112)
        )
        hits.append((at, 60, 42, 74))
        hits.append((at + 240, 60, 42, 48))
        if rng.random() < 0.25 and not snare:
            hits.append((at + 360, 60, 36, 70))
    return Song.new([part_from_notes(hits, "Kit", 0, True)], end_ticks=1920 * bars)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    here = tmp_path_factory.mktemp("groove")
    folder = here / "midi"
    for i in range(16):
        write(beat(seed=i), folder / f"beat-{i:02d}.mid")
    preset = load_preset("groove-repair").with_settings(
        [
            "grid.bars=2",
            "model.width=64",
            "model.blocks=2",
            "model.latent=24",
            "model.dropout=0",
            "training.batch=32",
            "training.warmup_steps=10",
            "training.corruption=deletion+insertion+pitch_substitution+onset_jitter+part_mask+humanize+tapify",
        ]
    )
    train(folder, preset, here / "checkpoints" / "drummer", steps=220)
    return here


@pytest.fixture(scope="module")
def model(place) -> MusicVAE:
    return MusicVAE.load(place / "checkpoints" / "drummer")


def flat(song: Song) -> Song:
    """Return the beat on the grid, with equal velocities."""
    parts = []
    for part in song.parts:
        onset = (part.onset_ticks + 60) // 120 * 120
        loud = np.full(len(part), NEUTRAL_VELOCITY)
        parts.append(part.with_notes(onset, part.duration_ticks, part.pitch, loud))
    return replace(song, parts=tuple(parts))


def expression(song: Song) -> dict[tuple[int, int], tuple[int, int]]:
    """Return velocity and delay in ticks of each hit, by sixteenth and pitch."""
    part = song.parts[0]
    cell = (part.onset_ticks + 60) // 120
    columns = (cell, part.pitch, part.velocity, part.onset_ticks - 120 * cell)
    return {(c, p): (v, t) for c, p, v, t in zip(*(x.tolist() for x in columns), strict=True)}


# -- corruptions -------------------------------------------------------------------------------


def test_humanize_corruption_removes_expression_and_tapify_the_drums() -> None:
    rows = np.array([(0, 0, 1 + s, 0, p, 3, 90 + s, 7) for s in (0, 4, 8) for p in (36, 42)])
    ground = WindowGrid(steps=np.array([[16]]), lead_steps=np.array([[0]]), kinds=("drums",))
    rng = np.random.default_rng(0)
    plain = corrupt(rows, ground, "humanize", 1.0, rng)
    assert np.array_equal(plain[:, :6], rows[:, :6])
    assert set(plain[:, 6]) == {NEUTRAL_VELOCITY} and not plain[:, 7].any()
    taps = corrupt(rows, ground, "tapify", 1.0, rng)
    assert taps[:, 2].tolist() == [1, 5, 9] and set(taps[:, 4]) == {TAP_PITCH}
    fewer = [len(corrupt(rows, ground, "tapify", 0.3, np.random.default_rng(i))) for i in range(9)]
    assert min(fewer) >= 1  # at least one tap remains
    assert np.array_equal(corrupt(rows, ground, "tapify", 0.0, rng), rows)


# -- humanize -------------------------------------------------------------------------------------


def test_flat_beat_gets_the_expression_of_the_training_beats(model) -> None:
    real, dull = beat(seed=99), flat(beat(seed=99))
    made = model.humanize(dull, variation=0.0)
    a, b, before = expression(real), expression(made), expression(dull)
    assert set(a) == set(b)  # onsets and drums stay
    keys = sorted(a)
    loud = np.abs([a[k][0] - b[k][0] for k in keys]).mean()
    assert loud < 0.4 * np.abs([a[k][0] - before[k][0] for k in keys]).mean()
    snare = [b[k][1] for k in keys if k[1] == 38]
    others = [b[k][1] for k in keys if k[1] != 38]
    assert np.mean(snare) > 8 and abs(np.mean(others)) < 5  # 15 ticks, as in training
    part, was = made.parts[0], dull.parts[0]
    assert (part.name, part.program, part.is_drum) == (was.name, was.program, True)
    assert made.end_ticks == dull.end_ticks


def test_amount_scales_the_change(model) -> None:
    dull = flat(beat(seed=98))
    none = model.humanize(dull, amount=0.0)
    assert expression(none) == expression(dull)
    half, whole = (model.humanize(dull, amount=a, variation=0.0) for a in (0.5, 1.0))
    keys = sorted(expression(dull))
    some = np.array([expression(half)[k][0] - NEUTRAL_VELOCITY for k in keys])
    all_ = np.array([expression(whole)[k][0] - NEUTRAL_VELOCITY for k in keys])
    assert np.abs(some - all_ / 2).max() <= 1


def test_variation_is_random_with_a_seed(model) -> None:
    dull = flat(beat(seed=97))
    one, same, other = (expression(model.humanize(dull, variation=1.0, seed=s)) for s in (1, 1, 2))
    assert one == same and one != other


def test_other_parts_and_unclassified_hits_stay(model) -> None:
    band = band_song()
    drums = band.parts[4]
    whistle = part_from_notes([(0, 60, 71, 33), (960, 60, 71, 44)], "Drums", 0, True)
    song = replace(band, parts=(*band.parts[:4], drums.overlay(whistle)))
    made = model.humanize(song)
    for mine, theirs in zip(made.parts[:4], song.parts[:4], strict=True):
        assert np.array_equal(mine.onset_ticks, theirs.onset_ticks)
        assert np.array_equal(mine.velocity, theirs.velocity)
    kept = made.parts[4].pitch == 71
    assert made.parts[4].velocity[kept].tolist() == [33, 44]
    assert made.parts[4].onset_ticks[kept].tolist() == [0, 960]
    assert len(made.parts[4]) == len(song.parts[4])


def test_songs_without_drums_and_invalid_amounts_are_refused(model) -> None:
    with pytest.raises(DataError, match="has no drums to play"):
        model.humanize(chorale_song())
    whistle = Song.new([part_from_notes([(0, 60, 71, 90)], "Whistle", 0, True)])
    with pytest.raises(DataError, match="only drums without a drum class"):
        model.humanize(whistle)
    with pytest.raises(ConfigError, match="amount 2"):
        model.humanize(beat(), amount=2)


# -- drumify --------------------------------------------------------------------------------------


def test_tapped_rhythm_becomes_a_beat(model) -> None:
    real = beat(seed=96)
    cells = np.unique((real.parts[0].onset_ticks + 60) // 120) * 120
    taps = part_from_notes([(int(c), 60, TAP_PITCH, 90) for c in cells], "Taps", 0, True)
    made = model.drumify(replace(real, parts=(taps,)))
    assert len(made.parts) == 1 and made.parts[0].is_drum and made.end_ticks == real.end_ticks
    a, b = set(expression(real)), set(expression(made))
    assert 2 * len(a & b) / (len(a) + len(b)) > 0.8
    assert len(set(made.parts[0].velocity.tolist())) > 3  # with expression


def test_melody_gets_drums_and_stays(model) -> None:
    song = chorale_song(bars=6, pickup=1)
    made = model.drumify(song)
    assert [part.name for part in made.parts] == ["Soprano", "Alto", "Tenor", "Bass", "Drums"]
    for mine, theirs in zip(made.parts[:4], song.parts, strict=True):
        assert np.array_equal(mine.onset_ticks, theirs.onset_ticks)
    drums = made.parts[4]
    assert (
        drums.is_drum and len(drums) > 6 and set(canonical_pitch(drums.pitch)) == set(drums.pitch)
    )
    assert made.end_ticks == song.end_ticks
    assert np.array_equal(made.meter.ticks, song.meter.ticks)


def test_existing_drums_are_replaced_and_the_rhythm_part_can_be_named(model) -> None:
    band = band_song()
    made = model.drumify(band, part="bass")
    assert [part.name for part in made.parts] == ["Lead", "Piano", "Bass", "Pad", "Drums"]
    assert sum(part.is_drum for part in made.parts) == 1
    assert _rhythm_parts(band, "Bass") == [2] and _rhythm_parts(band, None) == [0]  # the highest
    assert _rhythm_parts(replace(band, parts=band.parts[4:]), None) == [
        0
    ]  # the drums, if nothing else
    with pytest.raises(DataError, match="no part named 'Flute'; there are: Lead, Piano"):
        model.drumify(band, part="Flute")
    with pytest.raises(DataError, match="no rhythm"):
        model.drumify(Song.new([]))


def test_sampled_beats_differ_by_seed(model) -> None:
    song = chorale_song(bars=4)
    one, same, other = (model.drumify(song, temperature=1.0, seed=s) for s in (1, 1, 2))
    assert np.array_equal(one.parts[4].onset_ticks, same.parts[4].onset_ticks)
    assert onsets_and_pitches(one) != onsets_and_pitches(other)


def onsets_and_pitches(song: Song) -> set[tuple[int, int]]:
    part = song.parts[-1]
    return set(zip(part.onset_ticks.tolist(), part.pitch.tolist(), strict=True))


def test_one_tap_for_each_onset_cell() -> None:
    bars = Bars.from_song(band_song()).at(4)
    piano = bars.notes.select(bars.notes.part == 1)
    taps = _tap_notes(bars, piano, 0)
    assert len(taps) == 12 and set(taps.pitch) == {TAP_PITCH} and set(taps.duration) == {1}
    assert len(np.unique(taps.bar * 64 + taps.step)) == 12


def with_rest(bars: int, resting: slice) -> tuple[Bars, Notes]:
    """Return bars of 4/4 on the grid of groove-repair with off-beat eighths, but for a rest."""
    hits = [(b * 1920 + at, 60, 60, 70) for b in range(bars) for at in (240, 720, 1200, 1680)]
    hits = [hit for hit in hits if hit[0] // 1920 not in range(bars)[resting]]
    found = Bars.from_song(Song.new([part_from_notes(hits)], end_ticks=1920 * bars)).at(4)
    return found, _tap_notes(found, found.notes, 0)


def test_rests_are_filled_with_the_rhythm_before_them() -> None:
    bars, taps = with_rest(8, slice(3, 6))
    filled = fill_rests(bars.grid, taps, 0, 8)
    for bar in range(8):
        assert filled.step[filled.bar == bar].tolist() == [2, 6, 10, 14]
    bars, taps = with_rest(8, slice(0, 3))
    assert np.bincount(fill_rests(bars.grid, taps, 0, 8).bar, minlength=8).tolist() == [4] * 8
    later = fill_rests(bars.grid, taps, 2, 8)  # nothing sounds in the first two bars
    assert np.bincount(later.bar, minlength=8).tolist() == [0, 0, *[4] * 6]


def test_long_notes_get_the_beats_of_the_meter() -> None:
    whole = Song.new([part_from_notes([(b * 1920, 1920, 60, 70) for b in range(4)])])
    bars = Bars.from_song(whole).at(4)
    filled = fill_rests(bars.grid, _tap_notes(bars, bars.notes, 0), 0, 4)
    assert (filled.bar * 16 + filled.step).tolist() == list(range(0, 64, 4))
    assert set(filled.velocity.tolist()) == {70} and set(filled.pitch.tolist()) == {TAP_PITCH}


def test_the_beat_goes_on_where_the_melody_rests(model) -> None:
    lead = [(b * 1920 + 480 * q, 400, 72, 80) for b in (0, 1, 6, 7) for q in range(4)]
    pad = [(b * 1920, 1920, 48, 60) for b in range(8)]
    song = Song.new([part_from_notes(lead), part_from_notes(pad)], end_ticks=8 * 1920)
    made = model.drumify(song).parts[-1]
    assert set(((made.onset_ticks + 60) // 1920).tolist()) == set(range(8))


# -- the commands ---------------------------------------------------------------------------------


def test_commands_write_songs_and_choose_the_drum_model(place, monkeypatch) -> None:
    monkeypatch.chdir(place)
    write(flat(beat(seed=95)), "dull.mid")
    write(chorale_song(bars=4), "hymn.mid")
    done = run("humanise", "dull.mid", "--seed", 1, "--json", "--as-written")
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert printed["path"] == "humanised/dull.mid" and printed["seed"] == 1 and printed["hits"] > 60
    made = read("humanised/dull.mid")
    assert len(set(made.parts[0].velocity.tolist())) > 5
    band = run("drumify", "hymn.mid", "--seed", 1, "--as-written")
    assert band.exit_code == 0, band.output
    assert [p.name for p in read("drumified/hymn.mid").parts][-1] == "Drums"
    bad = run("humanise", "hymn.mid", "--seed", 1)
    assert bad.exit_code == 1
    assert bad.stderr.endswith(
        "musicvae: hymn.mid: has no drums to play; add some with musicvae drumify\n"
    )
    none = run("drumify", "hymn.mid", "--part", "Flute", "--seed", 1)
    assert none.exit_code == 1 and "no part named" in none.stderr
