"""Presets: loading, settings, validation."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from musicvae.config.preset import load_preset, preset_from_dict, preset_names
from musicvae.config.sections import ModelConfig
from musicvae.errors import ConfigError


@pytest.mark.parametrize("name", preset_names())
def test_shipped_presets_load_and_have_a_description(name: str) -> None:
    preset = load_preset(name)
    assert preset.name == name
    assert preset.description.endswith(".")
    assert preset.grid.max_steps % preset.grid.steps_per_quarter == 0


@pytest.mark.parametrize("name", preset_names())
def test_preset_round_trips_through_json(name: str) -> None:
    preset = load_preset(name)
    assert preset_from_dict(json.loads(json.dumps(preset.to_dict())), "a test") == preset


def test_defaults_then_file_then_settings(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[[parts]]\nname = "X"\n[model]\nlatent = 5\n')
    preset = load_preset(path)
    assert (preset.model.latent, preset.model.width) == (5, ModelConfig().width)
    changed = preset.with_settings(
        ["model.latent=6", "training.learning_rate=1", "description=two words"]
    )
    assert changed.model.latent == 6
    assert changed.training.learning_rate == 1.0
    assert changed.description == "two words"
    assert preset.model.latent == 5


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "x", "parts": [{"name": "A"}], "modle": {}}, "did you mean 'model'"),
        ({"name": "x", "parts": [{"name": "A"}], "model": {"latnet": 3}}, "mean 'latent'"),
        ({"name": "x", "parts": [{"name": "A"}], "model": {"latent": "3"}}, "must be int"),
        ({"name": "x", "parts": [{"name": "A"}], "model": {"latent": True}}, "must be int"),
        ({"name": "x", "parts": [{"name": "A"}], "model": {"latent": 0}}, "1 to 4,096"),
        ({"name": "x", "parts": [{"name": "A"}], "model": 3}, "must be a table"),
        ({"name": "x", "parts": [{"name": "A", "kind": "flute"}]}, "one of voice"),
        ({"name": "x", "parts": [{"name": "A", "low": 90, "high": 80}]}, "low/high"),
        ({"name": "x", "parts": [{"name": "A"}, {"name": "A"}]}, "different for each"),
        ({"name": "x", "parts": []}, r"at least one \[\[parts\]\]"),
        ({"name": "x", "parts": "A"}, "must be a list"),
        ({"parts": [{"name": "A"}]}, "needs name"),
        ({"name": "x"}, "needs parts"),
        ({"name": "x", "parts": [{"name": "A"}], "grid": {"steps_per_quarter": 5}}, "divisor"),
    ],
)
def test_invalid_presets_give_one_line(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        preset_from_dict(data, "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.latent", "write it as"),
        ("modle.latent=3", "no section 'modle'.*did you mean 'model'"),
        ("model.latnet=3", "did you mean 'latent'"),
        ("model.latent=big", "must be int"),
        ("training.key_jitter=2", "0 to 1"),
    ],
)
def test_invalid_settings(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_preset("tiny").with_settings([setting])


def test_unknown_preset_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'chorale-2bar'"):
        load_preset("choral-2bar")


@pytest.mark.parametrize("content", ["name = ", "\xff", "x = " + "[" * 9999, "x = " + "9" * 9999])
def test_invalid_files(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_preset(path)
    with pytest.raises(ConfigError, match="no such file"):
        load_preset(tmp_path / "none.toml")


def test_meter_ids() -> None:
    preset = load_preset("tiny")
    known = {preset.meter_id(*map(int, meter.split("/"))) for meter in preset.meters}
    assert known == set(range(1, len(preset.meters) + 1))
    assert preset.meter_id(11, 16) == 0


def test_presets_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        load_preset("tiny").name = "other"  # type: ignore[misc]
