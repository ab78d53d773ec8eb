"""Stems are aligned in time, and their audio adds up to the mix."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from musicvae.cli import main
from musicvae.io import read, write
from musicvae.io.audio import render
from musicvae.io.stems import split_stems, stem_path
from musicvae.song import Part, Song
from support.songs import small_band, small_chorale


def test_stems_are_the_parts_of_the_song(tmp_path: Path) -> None:
    song = replace(small_chorale(bars=3), end_ticks=480 * 20)
    stems = split_stems(song)
    assert list(stems) == ["soprano", "alto", "tenor", "bass"]
    for part, (name, alone) in zip(song.parts, stems.items(), strict=True):
        again = read(write(alone, tmp_path / f"{name}.mid"))
        assert again.parts == (part,)
        assert (again.tempo, again.meter, again.key) == (song.tempo, song.meter, song.key)
        assert again.end_ticks == song.end_ticks


def test_stem_names_are_valid_and_unique() -> None:
    part = small_band().parts[0]
    names = ("Lead / left", "lead left", "", "\u00d6", "../..", "")
    parts = [replace(part, name=name) for name in names]
    song = Song.new([*parts[:5], replace(parts[5], is_drum=True), Part.empty("silent")])
    wanted = ["lead-left", "lead-left-2", "part-3", "ö", "part-5", "drums"]
    assert list(split_stems(song)) == wanted
    assert stem_path(Path("a/song.mid"), "bass") == Path("a/song.bass.mid")


@pytest.mark.parametrize("lufs", [-30.0, -18.0])
def test_stems_sum_to_the_mix(lufs: float) -> None:
    mix, stems, rate = render.render_stems(small_band(), render.RenderOptions(lufs=lufs))
    whole, same_rate = render.render(small_band(), render.RenderOptions(lufs=lufs))
    assert np.array_equal(mix, whole) and rate == same_rate
    assert {each.shape for each in stems.values()} == {mix.shape}
    off = np.sqrt(np.mean((sum(stems.values()) - mix) ** 2) / np.mean(mix**2))
    assert off < 0.02
    assert all(np.abs(each).max() > 1e-3 for each in stems.values())


def test_render_writes_stems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(small_chorale(bars=1), "song.mid")
    words = ["render", "song.mid", "--stems", "--out", "out", "--workers", "1"]
    assert CliRunner().invoke(main, words).exit_code == 0
    files = sorted(Path("out").iterdir())
    assert [path.name for path in files] == [
        "song.alto.wav",
        "song.bass.wav",
        "song.soprano.wav",
        "song.tenor.wav",
        "song.wav",
    ]
    assert len({soundfile.info(path).frames for path in files}) == 1
    Path("out/song.wav").unlink()
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 1 and "song.soprano.wav: already exists" in again.stderr
