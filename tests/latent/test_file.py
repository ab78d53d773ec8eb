"""Files of latents: round trips, content, sizes, and invalid files."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from musicvae import MusicVAE
from musicvae.checkpoints.registry import shipped_folder
from musicvae.downbeats import estimate_barlines
from musicvae.downbeats.swing_ratio import estimate_swing
from musicvae.errors import ConfigError, ReadError
from musicvae.io import read, write
from musicvae.latent import Encoding, Quantization, blend, load, save
from musicvae.latent.quantization import dequantize, quantize
from musicvae.latent.serialization import from_dict, to_dict
from musicvae.song import Part, Song
from musicvae.swing import SIXTEENTHS, Swing
from support.cli import run
from support.songs import band_song, chorale_song, wandering_song
from support.strategies import songs

FOLDER = shipped_folder()


@pytest.fixture(autouse=True)
def shipped() -> Path:
    """Make the shipped models available, unlike in other tests."""
    return FOLDER


@cache
def model(name: str = "melody-2bar") -> MusicVAE:
    return MusicVAE.load(FOLDER / f"{name}.safetensors", device="cpu")


def same(one: Encoding, other: Encoding) -> bool:
    """Return whether two encodings are equal in every field."""
    if (one.time_map is None) is not (other.time_map is None):
        return False
    if one.time_map and other.time_map:
        a, b = one.time_map, other.time_map
        points = [(w.file_ticks, w.song_ticks) for w in (a.warp, b.warp)]
        if a.original != b.original or not all(map(np.array_equal, *points)):
            return a.warp.is_identity and b.warp.is_identity and a.original == b.original
    grids = [{n: v for n, v in vars(e.bars.grid).items() if not n.startswith("_")}
             for e in (one, other)]  # fmt: skip
    fields = ("steps", "lead_steps", "numerator", "denominator", "start_ticks", "length_ticks")
    return (
        all(np.array_equal(grids[0][name], grids[1][name]) for name in fields)
        and one.bars.header == other.bars.header
        and one.passthrough == other.passthrough
        and one.key == other.key
        and one.checkpoint == other.checkpoint
        and all(map(np.array_equal, one.source_parts, other.source_parts))
        and all(map(np.array_equal, one.active, other.active))
        and np.array_equal(one.bar_velocities, other.bar_velocities)
        and np.array_equal(one.mu, other.mu)
        and np.array_equal(one.sigma, other.sigma)
    )


@settings(max_examples=25, deadline=None)
@given(song=songs(), other=songs(), t=st.floats(0.1, 0.9))
def test_save_and_load_round_trip(tmp_path_factory, song: Song, other: Song, t: float) -> None:
    path = tmp_path_factory.mktemp("z") / "song.z"
    one, two = model().encode(song), model().encode(other)
    encodings = [one]
    if not (one.is_empty or two.is_empty):
        encodings.append(blend(one, two, t, 2))
    for encoding in encodings:
        save(encoding, path, checkpoint="melody-2bar")
        stored = load(path)
        assert same(stored.encoding, encoding)
        assert (stored.checkpoint, stored.hash) == ("melody-2bar", encoding.checkpoint)
        assert model().decode(stored.encoding) == model().decode(encoding)


def test_late_file_round_trip_is_exact(tmp_path: Path) -> None:
    """Drums that bypass the model are restored to the tick."""
    song = band_song()
    late = Song(
        **{
            **vars(song),
            "parts": tuple(
                part.with_notes(
                    part.onset_ticks + 37, part.duration_ticks, part.pitch, part.velocity
                )
                for part in song.parts
            ),
            "end_ticks": song.end_ticks + 37,
        }
    )
    encoding = model().encode(late)
    assert encoding.time_map is not None and not encoding.time_map.warp.is_identity
    assert sum(len(p) for p in encoding.time_map.original.parts) == encoding.n_passthrough > 0
    save(encoding, tmp_path / "late.z")
    again = load(tmp_path / "late.z").encoding
    assert same(again, encoding)
    drums = next(part for part in model().decode(again).parts if part.is_drum)
    assert drums == late.parts[-1]


def test_file_contains_no_note_that_the_model_decodes(tmp_path: Path) -> None:
    """Two songs over the same bars with equal latents give equal files."""
    one, other = (
        model().encode(estimate_barlines(chorale_song(8, seed=seed), has_notated_bars=True))
        for seed in (1, 2)
    )
    files = []
    for seed, encoding in ((1, one), (2, other)):
        flat = replace(encoding, mu=one.mu * 0, sigma=one.sigma * 0 + 1, key=0,
                       bar_velocities=one.bar_velocities, active=one.active)  # fmt: skip
        save(flat, tmp_path / f"{seed}.z")
        files.append((tmp_path / f"{seed}.z").read_bytes())
    assert files[0] == files[1]
    assert set(load_file(tmp_path / "1.z")) == {"mu", "sigma", "frame"}


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(1, 9)),
    seed=st.integers(0, 1000),
    step=st.floats(0.05, 4),
    bits=st.integers(2, 12),
)
def test_quantization_error_is_bounded(shape, seed: int, step: float, bits: int) -> None:
    rng = np.random.default_rng(seed)
    sigma = np.exp(rng.uniform(-3, 0.3, shape)).astype(np.float32)
    mu = (2 * rng.standard_normal(shape)).astype(np.float32)
    mu[..., :1], sigma[..., :1] = 0, 1  # an absent bar
    packed = quantize(mu, sigma, Quantization(step=step))
    near, around = dequantize(*packed, shape, True)
    assert np.abs(np.log2(around / sigma)).max(initial=0) <= 0.5001
    assert (np.abs(near - mu) <= step * around / 2 + 1e-5).all()
    assert (near[..., :1] == 0).all() and (around[..., :1] == 1).all()
    packed = quantize(mu, sigma, Quantization(bits=bits))
    near, _ = dequantize(*packed, shape, False)
    assert len(np.unique(near)) <= 2**bits
    assert np.abs(near - mu).max(initial=0) <= packed[2] / 2 + 1e-5


def test_latents_without_sigma_are_quantized_by_bits_only() -> None:
    mu, sigma = np.ones((1, 2, 3), np.float32), np.zeros((1, 2, 3), np.float32)
    with pytest.raises(ConfigError, match="give bits instead"):
        quantize(mu, sigma, Quantization(step=1.0))
    near, around = dequantize(*quantize(mu, sigma, Quantization(bits=4)), (1, 2, 3), False)
    assert np.allclose(near, mu) and (around == 0).all()
    for wrong in ({"step": 0.0}, {"bits": 1}, {}, {"step": 1.0, "bits": 3}):
        with pytest.raises(ConfigError):
            Quantization(**wrong)


def test_larger_steps_take_less_space_and_lose_more(tmp_path: Path) -> None:
    encoding = model("chorale-4bar").encode(chorale_song(16, seed=4))
    taken, apart = [], []
    for step in (0.25, 1, 4):
        taken.append(save(encoding, tmp_path / "x.z", quantization=Quantization(step=step)).latents)
        near = load(tmp_path / "x.z").encoding
        apart.append(float(np.abs(near.mu - encoding.mu).mean()))
    assert taken[0] > taken[1] > taken[2] and apart[0] < apart[1] < apart[2]


@pytest.fixture(scope="module")
def latent_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of quantized latents."""
    path = tmp_path_factory.mktemp("latent_file") / "song.z"
    save(model().encode(wandering_song(9, drums=True)), path, quantization=Quantization(step=1.0))
    return path


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_bytes_raise_read_error_or_load(latent_file: Path, data: st.DataObject) -> None:
    """Bytes are changed, cut or inserted anywhere: the file loads, or the error names it."""
    content = bytearray(latent_file.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["change", "cut", "add"]))
        if kind == "change":
            content[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del content[at : at + data.draw(st.integers(1, 40))]
        else:
            content[at:at] = data.draw(st.binary(min_size=1, max_size=5))
        if not content:
            break
    broken = latent_file.with_name("broken.z")
    broken.write_bytes(content)
    try:
        encoding = load(broken).encoding
    except ReadError as error:
        assert str(broken) in str(error)
    else:
        assert np.isfinite(encoding.mu).all()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_invalid_metadata_raises_read_error_or_loads(
    latent_file: Path, data: st.DataObject
) -> None:
    """One value of the metadata is replaced by another one."""
    tensors = load_file(latent_file)
    frame = json.loads(zlib.decompress(tensors["frame"].tobytes()))
    places = list(_json_paths(frame))
    *path, last = data.draw(st.sampled_from(places))
    inner = frame
    for key in path:
        inner = inner[key]
    wrong = [None, "x", -1, 0, 1.5, 10**30, [], [[]], {}, True, 2**40]
    inner[last] = data.draw(st.sampled_from(wrong))
    tensors["frame"] = np.frombuffer(zlib.compress(json.dumps(frame).encode()), np.uint8)
    invalid = latent_file.with_name("invalid.z")
    save_file(tensors, invalid, _metadata(latent_file))
    try:
        load(invalid)
    except ReadError as error:
        assert str(invalid) in str(error)


def _json_paths(value, path=()):
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(min(len(value), 3))
        for key in keys:
            yield (*path, key)
            yield from _json_paths(value[key], (*path, key))


def _metadata(path: Path) -> dict[str, str]:
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size])["__metadata__"]


def test_other_files_raise_read_error(latent_file: Path, tmp_path: Path) -> None:
    header = json.loads(_metadata(latent_file)["musicvae-song"])
    for change, words in (
        ({"format": 7}, "format 7, this version reads 1"),
        ({"shape": [1, 2, 10**12]}, "damaged"),
        ({"coding": "magic"}, "unknown coding 'magic'"),
    ):
        metadata = {"musicvae-song": json.dumps({**header, **change})}
        save_file(load_file(latent_file), tmp_path / "x.z", metadata)
        with pytest.raises(ReadError, match=words):
            load(tmp_path / "x.z")
    with pytest.raises(ReadError, match="not a file of latents"):
        load(FOLDER / "melody-2bar.safetensors")
    with pytest.raises(ReadError, match="no such file"):
        load(tmp_path / "nowhere.z")
    for text in (b" " * 200_000_000, b"[" * 9999):
        tensors = {**load_file(latent_file), "frame": np.frombuffer(zlib.compress(text), np.uint8)}
        save_file(tensors, tmp_path / "bomb.z", _metadata(latent_file))
        with pytest.raises(ReadError, match=r"bomb\.z: damaged"):
            load(tmp_path / "bomb.z")


# -- the commands ---------------------------------------------------------------------------------


def fails(result: Result, *words: str) -> None:
    assert result.exit_code == 1, result.output
    (line,) = [each for each in result.stderr.splitlines() if each.startswith("musicvae: ")]
    for word in words:
        assert word in line


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(chorale_song(8, seed=3, pickup=1), tmp_path / "hymn.mid")
    return tmp_path


def test_encode_and_decode_commands_equal_reconstruct(here: Path) -> None:
    result = run("encode", "hymn.mid", "--json")
    assert result.exit_code == 0, result.stderr
    line = json.loads(result.stdout)
    assert line["kind"] == "latents" and line["path"] == "hymn.z" and line["bars"] == 9
    assert line["bits_per_bar"] == pytest.approx(8 * (here / "hymn.z").stat().st_size / 9, abs=0.01)
    assert 0 < line["kl_bits_per_bar"] < line["latent_bits_per_bar"] < line["bits_per_bar"]
    assert "chorale-4bar" in result.stderr
    result = run("decode", "hymn.z", "--out", "there/back.mid", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["path"] == "there/back.mid"
    assert run("reconstruct", "hymn.mid", "--out", "ends").exit_code == 0
    assert read(here / "there/back.mid") == read(here / "ends/hymn.mid")
    fails(run("encode", "hymn.mid"), "hymn.z", "--force")
    fails(run("decode", "hymn.z", "--out", "there/back.mid"), "back.mid", "--force")
    result = run("encode", "hymn.mid", "--step", 1.5, "--force")
    assert result.exit_code == 0 and "bits per bar" in result.stdout
    assert (here / "hymn.z").stat().st_size < line["bytes"] / 3
    assert run("decode", "hymn.z", "--out", "small.mid").exit_code == 0
    assert read(here / "small.mid").end_ticks == read(here / "hymn.mid").end_ticks


def test_missing_checkpoint_is_named(here: Path, monkeypatch) -> None:
    assert run("encode", "hymn.mid", "--bits", 4).exit_code == 0
    fails(
        run("decode", "hymn.z", "--checkpoint", "melody-2bar", "--out", "other.mid"),
        "hymn.z",
        "not compatible with melody-2bar",
    )
    empty = here / "empty"
    empty.mkdir()
    monkeypatch.setattr("musicvae.checkpoints.registry.shipped_folder", lambda: empty)
    made_by = f"made by checkpoint chorale-4bar ({model('chorale-4bar').hash}), which was not found"
    fails(run("decode", "hymn.z"), "hymn.z", made_by, "--checkpoint")
    elsewhere = FOLDER / "chorale-4bar.safetensors"
    words = ("--checkpoint", elsewhere, "--out", "once.mid")
    assert run("decode", "hymn.z", *words).exit_code == 0
    (here / "checkpoints" / "mine").mkdir(parents=True)
    copy = here / "checkpoints" / "mine" / "model.safetensors"
    copy.write_bytes(elsewhere.read_bytes())  # the same hash under another name
    result = run("decode", "hymn.z", "--out", "again.mid")
    assert result.exit_code == 0 and "using mine" in result.stderr


def test_song_without_notes_round_trip(here: Path) -> None:
    write(Song.new(end_ticks=4 * 1920), here / "rest.mid")
    result = run("encode", "rest.mid", "--checkpoint", "melody-2bar")
    assert result.exit_code == 0, result.stderr
    assert run("decode", "rest.z", "--out", "still.mid").exit_code == 0
    assert read(here / "still.mid").end_ticks == 4 * 1920


def test_usage_errors(here: Path) -> None:
    assert run("encode", "hymn.mid", "--bits", 4, "--step", 1).exit_code == 2
    assert run("encode", "hymn.mid", "--step", "nan").exit_code == 2
    assert run("decode", "hymn.z", "--out", "folder").exit_code == 2
    (here / "letter.z").write_text("Dear sirs,")
    fails(run("decode", "letter.z"), "letter.z", "not a file of latents")


@pytest.mark.parametrize(
    "words",
    [
        ("a.mid", "b.mid", "--grid"),
        ("a.mid", "b.mid", "--morph", "--steps", "3"),
        ("a.mid", "b.mid", "c.mid", "--morph"),
        ("a.mid", "b.mid", "--bars", "8"),
        ("a.mid", "b.mid", "c.mid", "--like", "A"),
        ("a.mid", "b.mid", "--part", "drums"),
        ("a.mid", "b.mid", "--part", "drums=C"),
        ("a.mid", "b.mid", "c.mid", "d.mid", "--grid", "--align"),
    ],
)
def test_incompatible_options_of_interpolate(here: Path, words: tuple[str, ...]) -> None:
    assert run("interpolate", *words).exit_code == 2


def test_interpolate_numbers_morphs_and_grids(here: Path) -> None:
    write(chorale_song(6, seed=5), here / "b.mid")
    common = ("--checkpoint", "melody-2bar", "--out", "out", "--json")
    for nth in (1, 2):
        result = run("interpolate", "hymn.mid", "b.mid", "--morph", "--like", "a", *common)
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["path"] == f"out/morph-{nth:02d}.mid"
        names = ("hymn.mid", "b.mid", "b.mid", "hymn.mid")
        result = run("interpolate", *names, "--grid", "--steps", 2, *common)
        assert result.exit_code == 0, result.stderr
        paths = [json.loads(line)["path"] for line in result.stdout.splitlines()]
        assert paths == [
            f"out/grid-{nth:02d}-row-{r}-column-{c}.mid" for r in (1, 2) for c in (1, 2)
        ]
    assert read(paths[0]) == read(paths[3]) != read(paths[1])
    result = run("interpolate", "hymn.mid", "b.mid", "--part", "tenor=B", "--steps", 3, *common)
    assert result.exit_code == 0, result.stderr
    fails(
        run("interpolate", "hymn.mid", "b.mid", "--part", "x=B", *common), "no part is called 'x'"
    )


@pytest.mark.parametrize("swing", [Swing(2.0), Swing(1.5), Swing(3.0, SIXTEENTHS)])
def test_swing_is_kept(tmp_path: Path, swing: Swing) -> None:
    """A swung file comes back swung, by way of its latents."""
    rng = np.random.default_rng(3)
    cells = np.flatnonzero(rng.random(512) < np.tile([0.9, 0.3, 0.8, 0.3], 128))
    quarters = cells[cells % (4 // swing.unit) == 0] / 4
    onset = np.round(swing.perform(quarters) * 480).astype(int)
    pitch = 60 + rng.integers(0, 12, len(onset))
    swung = Song.new([Part.empty("a").with_notes(onset, onset * 0 + 60, pitch, onset * 0 + 80)])
    encoding = model().encode(swung)
    assert encoding.bars.header.swing is not None
    save(encoding, tmp_path / "swung.z")
    again = load(tmp_path / "swung.z").encoding
    assert same(again, encoding)
    found = estimate_swing(model().decode(again).parts[0].onset_ticks / 480)
    assert found is not None and found.swing.unit == swing.unit
    assert found.swing.ratio == pytest.approx(swing.ratio, abs=0.02)
    mixed = blend(encoding, encoding, 0.5, 2).bars.header.swing
    assert mixed is not None and mixed.ratio == pytest.approx(swing.ratio, abs=0.02)


def test_invalid_swing_is_refused(tmp_path: Path) -> None:
    encoding = model().encode(chorale_song())
    for swing in ([0.5, 2], [2.0, 3], ["x", 2], [float("nan"), 2]):
        data = to_dict(encoding)
        data["song"]["swing"] = swing
        with pytest.raises((ValueError, TypeError)):
            from_dict(data)
