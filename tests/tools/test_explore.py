"""Embeddings of songs: nearest neighbors, and a map."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musicvae import MusicVAE, Song
from musicvae.attributes import ATTRIBUTES
from musicvae.config.preset import load_preset
from musicvae.errors import ConfigError, DataError, WriteError
from musicvae.io import read, write
from musicvae.plots import plot_song_map
from musicvae.tools.embed import SongEmbeddings, embed_all_phases, embed_folder, embed_song
from musicvae.tools.explore import nearest_songs, project_2d, song_similarities
from musicvae.training import train
from support.cli import lines_of, run
from support.songs import chorale_song, corpus_folder


def random_embeddings(lengths: list[int], seed: int = 0, Z: int = 6) -> SongEmbeddings:
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    return SongEmbeddings(
        names=tuple(f"in/{nth}.mid" for nth in range(len(lengths))),
        folders=("in",) * len(lengths),
        mu=rng.normal(size=(n, Z)).astype(np.float32),
        song_index=np.repeat(np.arange(len(lengths)), lengths),
        attributes=rng.normal(size=(n, len(ATTRIBUTES))),
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A working directory with two folders of MIDI files and a small trained model."""
    place = tmp_path_factory.mktemp("map")
    corpus_folder(place / "data" / "midi", n=10, bars=8)
    train(place / "data" / "midi", load_preset("tiny"), place / "checkpoints" / "tiny", steps=60)
    for i in range(5):
        song = chorale_song(bars=6 + i, seed=20 + i)
        write(song, place / "high" / f"song{i}.mid")
        low = [
            p.with_notes(p.onset_ticks, p.duration_ticks, p.pitch - 12, p.velocity)
            for p in chorale_song(bars=6, seed=30 + i).parts
        ]
        write(
            replace(chorale_song(bars=6, seed=30 + i), parts=tuple(low)),
            place / "low" / f"song{i}.mid",
        )
    return place


@pytest.fixture
def here(place, monkeypatch) -> Path:
    monkeypatch.chdir(place)
    return place


@pytest.fixture(scope="module")
def model(place) -> MusicVAE:
    return MusicVAE.load(place / "checkpoints" / "tiny", device="cpu")


def test_means_selection_and_concatenation() -> None:
    songs = random_embeddings([2, 1, 3])
    songs.attributes[0, 0] = np.nan
    assert songs.first_windows.tolist() == [0, 2, 3]
    means = songs.means(songs.attributes)
    assert means[0, 0] == songs.attributes[1, 0]
    assert np.allclose(means[2], songs.attributes[3:].mean(0))
    some = songs.select([0, 2])
    assert some.names == ("in/0.mid", "in/2.mid") and some.song_index.tolist() == [0, 0, 1, 1, 1]
    both = SongEmbeddings.concatenate([some, songs])
    assert len(both) == 5 and np.array_equal(both.select([2, 3, 4]).mu, songs.mu)


def test_song_is_most_similar_to_itself_its_half_and_its_reverse() -> None:
    songs = random_embeddings([4, 6, 5, 7])
    for nth in range(4):
        mine = songs.select([nth])
        assert nearest_songs([mine], songs, 1)[0].name == f"in/{nth}.mid"
        assert nearest_songs([mine], songs, 1)[0].similarity == pytest.approx(1, abs=1e-5)
        turned = replace(mine, mu=mine.mu[::-1])
        assert song_similarities(turned, songs)[0][nth] == pytest.approx(1, abs=1e-5)
        half = replace(
            mine, mu=mine.mu[:2], song_index=mine.song_index[:2], attributes=mine.attributes[:2]
        )
        both, there, back = song_similarities(half, songs)
        assert both.argmax() == nth and there[nth] == pytest.approx(1, abs=1e-5)
        assert back[nth] < 0.99


def test_map_shows_the_largest_differences() -> None:
    songs = random_embeddings([3] * 20)
    mu = songs.mu * 0.01
    where = np.linspace(-3, 3, 20)[songs.song_index]
    mu[:, 2] += where.astype(np.float32)
    values = songs.attributes.copy()
    values[:, 2] = -where
    found = project_2d(replace(songs, mu=mu, attributes=values))
    assert found.explained[0] > 0.99 and found.axes[0] == "register, r = 1.00"
    assert np.allclose(found.points[:, 0], -np.linspace(-3, 3, 20), atol=0.1)
    with pytest.raises(DataError, match="at least three songs, there are 2"):
        project_2d(songs.select([0, 1]))


def test_folder_embeddings_equal_those_of_its_songs(place, model) -> None:
    folder = embed_folder(model, place / "high")
    assert len(folder) == 5 and folder.folders == (str(place / "high"),) * 5
    one = embed_song(model, read(place / "high" / "song2.mid"), "x")
    nth = folder.names.index(str(place / "high" / "song2.mid"))
    assert np.allclose(folder.select([nth]).mu, one.mu, atol=1e-4)
    assert np.allclose(folder.select([nth]).attributes, one.attributes, equal_nan=True)
    encoding = model.encode(read(place / "high" / "song2.mid"))
    assert np.allclose(one.mu, encoding.mu.reshape(-1, model.vae.Z), atol=1e-4)
    with pytest.raises(DataError, match=r"empty\.mid: has no notes"):
        embed_song(model, Song.new([], end_ticks=1920), "empty.mid")


def test_transposed_copy_is_nearest(place, model) -> None:
    folder = embed_folder(model, place / "high")
    song = read(place / "high" / "song3.mid")
    parts = [
        p.with_notes(p.onset_ticks, p.duration_ticks, p.pitch + 2, p.velocity) for p in song.parts
    ]
    mine = embed_all_phases(model, replace(song, parts=tuple(parts)), "moved")
    first = nearest_songs(mine, folder, 2)
    assert Path(first[0].name).name == "song3.mid" and first[0].neighbor_match > 0.99
    assert first[0].similarity > first[1].similarity


def test_similar_command(here) -> None:
    found = lines_of(run("similar", "high/song1.mid", "high", "low", "--n", 3, "--json"))
    assert len(found) == 3 and [line["rank"] for line in found] == [1, 2, 3]
    assert found[0]["path"] == str(Path("high") / "song1.mid")
    assert found[0]["of_neighbour"] > 0.99
    assert found[0]["similarity"] >= found[1]["similarity"] >= found[2]["similarity"]
    lines = run("similar", "high/song1.mid", "low").stdout.splitlines()
    assert len(lines) == 6 and lines[0].split()[0] == "similarity"
    missing = run("similar", "none.mid", "low")
    assert missing.exit_code == 1 and "none.mid" in missing.stderr
    (here / "none").mkdir(exist_ok=True)
    empty = run("similar", "high/song1.mid", "none", "--checkpoint", "tiny")
    assert empty.exit_code == 1 and "Traceback" not in empty.output


def test_map_command(here) -> None:
    words = ("map", "high", "low", "high/song0.mid", "--out", "map.svg", "--json")
    *points, last = lines_of(run(*words))
    assert last["path"] == "map.svg" and last["songs"] == len(points) == 11
    assert {point["folder"] for point in points} == {"high", "low"}
    assert points[0]["attributes"]["register"] > 40
    assert (points[-1]["x"], points[-1]["y"]) == (points[0]["x"], points[0]["y"])
    assert (here / "map.svg").read_text("utf-8").startswith("<?xml")
    assert run(*words).exit_code == 1  # the file exists
    assert run(*words, "--force", "--colour", "register").exit_code == 0
    assert run("map", "high", "low", "--checkpoint", "tiny").stdout.startswith("map.png: 10 songs")
    assert run("map", "high", "low", "--checkpoint", "tiny").stdout.startswith("map-1.png")
    wrong = run("map", "high", "--out", "map.bmp")
    assert wrong.exit_code == 1 and "unknown picture format" in wrong.stderr
    few = run("map", "high/song0.mid", "--out", "few.png")
    assert few.exit_code == 1 and "at least three songs" in few.stderr


def test_plot_of_values_with_nan(tmp_path) -> None:
    points = np.random.default_rng(0).normal(size=(12, 2))
    values = np.append(np.arange(10.0), [np.nan, np.nan])
    path = plot_song_map(points, values, tmp_path / "a.png", title="A", color_name="density")
    assert path.stat().st_size > 5000
    every = np.full(12, np.nan)
    plot_song_map(
        points, every, tmp_path / "b.png", title="B", color_name="velocity", marked=[(0, "x")]
    )
    with pytest.raises(WriteError, match="unknown picture format"):
        plot_song_map(points, values, tmp_path / "a.txt", title="A", color_name="")


def test_latents_of_a_folder_are_arrays_for_numpy_alone(here, model) -> None:
    (found,) = lines_of(run("encode", "high", "--out", "z.npz", "--checkpoint", "tiny", "--json"))
    code = (
        "import sys, numpy; a = numpy.load('z.npz'); a = {n: a[n] for n in a.files}; "
        "assert 'musicvae' not in sys.modules; "
        "print(*(f'{n}:{v.shape}' for n, v in a.items()))"
    )
    opened = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    arrays = dict(np.load("z.npz"))
    assert len(opened.stdout.split(":")) == len(arrays) + 1
    assert found["shapes"] == {name: list(array.shape) for name, array in arrays.items()}
    assert arrays["checkpoint"] == model.hash
    for nth, name in enumerate(arrays["names"].tolist()):
        mine = arrays["song_index"] == nth
        encoding = model.encode(read(name))
        mu = encoding.mu[arrays["pass_index"][mine], arrays["first_bar"][mine] // 2]
        np.testing.assert_allclose(arrays["z"][mine], mu, atol=1e-5)
        assert set(arrays["key"][mine].tolist()) == {encoding.key}
        grid = encoding.bars.grid
        meters = {f"{n}/{d}" for n, d in zip(grid.numerator, grid.denominator, strict=True)}
        assert set(arrays["meter"][mine].tolist()) <= meters
    assert "z.npz: already exists" in run("encode", "high", "--out", "z.npz").stderr
    assert run("encode", "high", "--out", "high.z").exit_code == 2
    assert run("encode", "high", "--step", "1").exit_code == 2


@pytest.mark.parametrize("force", [False, True])
def test_arrays_that_another_process_writes_are_kept(here, monkeypatch, force) -> None:
    save = SongEmbeddings.save

    def save_after_another_process(found: SongEmbeddings, path: Path) -> Path:
        path.write_bytes(b"of the other process")
        return save(found, path)

    monkeypatch.setattr(SongEmbeddings, "save", save_after_another_process)
    result = run("encode", "high", "--out", f"other-{force}.npz", *["--force"] * force)
    assert ("already exists; overwrite it with --force" in result.stderr) is not force
    is_kept = Path(f"other-{force}.npz").read_bytes() == b"of the other process"
    assert is_kept is not force


def test_places_of_windows_follow_selection_and_concatenation(place, model) -> None:
    found = model.embed([place / "low", chorale_song(bars=6, seed=3)])
    last = found.select([len(found) - 1])
    alone = model.embed(chorale_song(bars=6, seed=3))
    for name, values in vars(last.places).items():
        assert np.array_equal(values, getattr(alone.places, name))
    mixed = SongEmbeddings.concatenate([found, random_embeddings([2], Z=found.mu.shape[1])])
    assert mixed.places is None and "first_bar" not in mixed.to_arrays()


def test_raw_latents_are_decoded_like_those_of_a_song(here, model) -> None:
    song = chorale_song(bars=6, seed=3)
    encoding = model.encode(song)
    z = encoding.mu[0]
    (decoded,) = model.decode_latents(z, key=encoding.key, meter="4/4")
    again = model.decode(encoding)
    assert [p.pitch.tolist() for p in decoded.parts] == [p.pitch.tolist() for p in again.parts]
    assert len(model.decode_latents(np.stack([z, z, z]))) == 3
    for wrong in (z[:, 1:], z[0], np.full_like(z, np.nan), np.zeros((0, 2, 3)), [["a"]]):
        with pytest.raises(ConfigError, match="latents"):
            model.decode_latents(wrong)
    np.save("points.npy", np.stack([z, z]))
    done = run("decode", "points.npy", "--checkpoint", "tiny")
    assert done.exit_code == 0 and {p.name for p in here.glob("points-*.mid")} == {
        "points-01.mid",
        "points-02.mid",
    }
    assert run("decode", "points.npy").exit_code == 2
    Path("bad.npy").write_bytes(b"nothing")
    assert "bad.npy: no array" in run("decode", "bad.npy", "--checkpoint", "tiny").stderr
    missing = run("decode", "missing.npy", "--checkpoint", "tiny")
    assert missing.exit_code != 0 and "missing.npy" in missing.stderr
