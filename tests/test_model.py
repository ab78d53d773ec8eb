"""The façade: methods and their documentation, embeddings of files, and deprecated names."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

from musicvae import MusicVAE, Song
from musicvae.downbeats import estimate_barlines
from musicvae.errors import DataError
from musicvae.io import read, write
from musicvae.tools import attribute_vector, explore, interpolate, steer
from musicvae.tools.embed import embed_all_phases, embed_folder
from musicvae.tools.explore import nearest_songs, project_2d
from support.songs import chorale_song
from support.trained import tiny_workplace

METHODS = (
    *("load", "encode", "decode", "reconstruct", "sample", "interpolate", "morph", "grid"),
    *("vary", "extend", "infill", "denoise", "anomalies", "humanize", "drumify"),
    *("steer", "steer_with_report", "attributes", "fit_attribute_vector"),
    *("embed", "similar", "map"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tiny_workplace(tmp_path_factory)


@pytest.fixture(scope="module")
def model(place) -> MusicVAE:
    return MusicVAE.load(place / "checkpoints" / "tiny", device="cpu")


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_documented(model, name: str) -> None:
    method = getattr(model, name)
    assert inspect.getdoc(method)
    assert "codec" not in inspect.signature(method).parameters


def test_methods_are_those_of_the_tools() -> None:
    assert MusicVAE.morph is interpolate.morph and MusicVAE.map is explore.map_songs
    assert MusicVAE.fit_attribute_vector is attribute_vector.fit_attribute_vector
    assert MusicVAE.steer.__doc__ == steer.steer.__doc__


def test_embeddings_of_folders_files_and_songs(place, model) -> None:
    folder, files = place / "midi", sorted((place / "midi").rglob("*.mid"))[:2]
    song = read(files[0])
    found = model.embed([folder, files[0], song])
    assert len(found) == len(embed_folder(model, folder)) + 2
    assert found.names[-2:] == (str(files[0]), "song 3")
    for nth in (-1, -2):
        at = len(found) + nth
        first = found.select([list(found.names).index(str(files[0]))])
        np.testing.assert_allclose(found.select([at]).mu, first.mu, atol=1e-4)
    assert model.embed(files[0]).names == (str(files[0]),)
    with pytest.raises(DataError, match="no songs to embed"):
        model.embed([])
    with pytest.raises(DataError, match="song 1: has no notes"):
        model.embed(Song.new([]))


def test_similar_and_map_equal_their_parts(place, model) -> None:
    folder = place / "midi"
    file = sorted(folder.rglob("*.mid"))[0]
    embeddings = model.embed(folder)
    neighbors = model.similar(read(file), embeddings, n=3)
    assert neighbors[0].name == str(file)
    assert neighbors == nearest_songs(embed_all_phases(model, read(file)), embeddings, 3)
    assert [each.name for each in model.similar(file, folder, n=3)] == [n.name for n in neighbors]
    np.testing.assert_array_equal(model.map(embeddings).points, project_2d(embeddings).points)
    assert model.map(folder).points.shape == (len(embeddings), 2)


def test_steering_with_report(model) -> None:
    song = chorale_song(bars=6, seed=3)
    result = model.steer_with_report(song, {"register": 1.0})
    assert model.steer(song, {"register": 1.0}) == result.song
    assert set(result.changes) == set(model.directions.names)


def test_deprecated_methods_warn(model) -> None:
    song = chorale_song(bars=4, seed=4)
    with pytest.deprecated_call(match=r"MusicVAE\.continue_ is now MusicVAE\.extend"):
        assert model.continue_(song, bars=2) == model.extend(song, bars=2)
    songs = [chorale_song(bars=4, seed=i) for i in range(4)]
    with (
        pytest.deprecated_call(match=r"MusicVAE\.fit_attribute_vector"),
        pytest.deprecated_call(match="the argument values is now labels"),
    ):
        old = model.direction_from(songs, values=[0, 1, 0, 1])
    np.testing.assert_array_equal(
        old.vector, model.fit_attribute_vector(songs, [0, 1, 0, 1]).vector
    )
    for name in ("humanise", "score"):
        with pytest.deprecated_call(match=name), pytest.raises(Exception, match="tiny"):
            getattr(model, name)(song)


def test_deprecated_keywords_warn(model) -> None:
    with pytest.deprecated_call(match="the argument settle is now refine_steps"):
        assert model.sample(1, bars=2, settle=0) == model.sample(1, bars=2, refine_steps=0)
    song = chorale_song(bars=4, seed=5)
    with pytest.deprecated_call(match="the argument asked is now changes"):
        assert model.steer(song, asked={"density": 0.0}) == model.reconstruct(song)
    with (
        pytest.deprecated_call(match="the argument damage"),
        pytest.raises(Exception, match="tiny"),
    ):
        model.denoise(song, damage={"jitter": 0.1})


def test_barlines_can_be_given(model, tmp_path) -> None:
    song = chorale_song(bars=5, seed=6, pickup=1)
    path = write(song, tmp_path / "song.mid")
    assert model.reconstruct(read(path)) == model.reconstruct(estimate_barlines(read(path)))
