"""Names of earlier versions in presets, settings and checkpoint headers."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from musicvae.checkpoints.checkpoint import read_header
from musicvae.config.corruption_kinds import CORRUPTIONS, MIXED, parse_corruption_shares
from musicvae.config.loading import RENAMED_CORRUPTIONS, RENAMED_KEYS, upgrade_preset
from musicvae.config.preset import Preset, load_preset, preset_from_dict
from musicvae.errors import ConfigError

ROOT = Path(__file__).parents[2]

OLD_PRESET = """
name = "old"

[[parts]]
name = "Drums"
kind = "drums"
low = 35
high = 59

[model]
decoder = "list"
direct_weight = 0.25
ends = true

[training]
objective = "dae"
corruption = "wrong+dropped+added+jitter+cut+masked+hidden+flat+tapped+transcription"
average = 0.9
hearing_dropout = 0.1
kit_mixing = 0.2
rehearsal = 0.3
"""

OLD_HEADER = """{
 "name": "melody-repair",
 "parts": [{"name": "Melody", "kind": "voice", "program": 73, "center": 69.0}],
 "model": {"latent": 64, "slices": "quarter", "ends": true, "attention": true,
           "direct_weight": 0.5, "dropout": 0.0},
 "training": {"objective": "dae", "corruption": "dropped+wrong", "hearing_dropout": 0.0,
              "scheduled_sampling": 0.0, "average": 0.995, "kit_mixing": 0.0, "rehearsal": 0.0}
}"""


def test_old_preset_file(tmp_path: Path) -> None:
    path = tmp_path / "old.toml"
    path.write_text(OLD_PRESET)
    preset = load_preset(path)
    assert (preset.model.context_free_weight, preset.model.encode_offsets) == (0.25, True)
    training = preset.training
    assert (training.ema_decay, training.decoder_input_dropout) == (0.9, 0.1)
    assert (training.drum_mix_share, training.replay_share) == (0.2, 0.3)
    assert training.condition_kinds == (
        "pitch_substitution",
        "deletion",
        "insertion",
        "onset_jitter",
        "truncation",
        "bar_mask",
        "part_mask",
        "humanize",
        "tapify",
        "transcription",
    )


def test_old_checkpoint_header() -> None:
    preset = preset_from_dict(json.loads(OLD_HEADER), "old.safetensors")
    assert preset.model.encode_offsets and preset.model.context_free_weight == 0.5
    assert preset.training.ema_decay == 0.995
    # Networks are conditioned on the kinds in this order.
    assert preset.training.condition_kinds == ("deletion", "pitch_substitution")
    assert preset_from_dict(preset.to_dict(), "new.safetensors") == preset


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("model.direct_weight=0.25", "model.context_free_weight=0.25"),
        ("model.ends=true", "model.encode_offsets=true"),
        ("training.average=0.9", "training.ema_decay=0.9"),
        ("training.rehearsal=0.5", "training.replay_share=0.5"),
        ("training.corruption=jitter", "training.corruption=onset_jitter"),
        ("training.corruption=jitter+cut", "training.corruption=onset_jitter+truncation"),
    ],
)
def test_old_settings(old: str, new: str) -> None:
    tiny = load_preset("tiny")
    assert tiny.with_settings([old]) == tiny.with_settings([new]) != tiny


def test_old_settings_on_drums_and_autoregressive_decoders() -> None:
    groove, tiny = load_preset("groove-2bar"), load_preset("tiny")
    mixed = groove.with_settings(["training.kit_mixing=0.5"])
    assert mixed.training.drum_mix_share == 0.5
    dropout = tiny.with_settings(["model.decoder=list", "training.hearing_dropout=0.5"])
    assert dropout.training.decoder_input_dropout == 0.5


def test_old_corruption_shares() -> None:
    assert parse_corruption_shares("wrong=0.2, jitter=0.1") == {
        "pitch_substitution": 0.2,
        "onset_jitter": 0.1,
    }
    with pytest.raises(ConfigError, match=r"write it as wrong=0\.1"):
        parse_corruption_shares("wrong=2")


def test_old_and_new_name_together_are_refused() -> None:
    data = tomllib.loads(OLD_PRESET)
    data["training"]["replay_share"] = 0.1
    with pytest.raises(ConfigError, match=r"training.rehearsal is now training.replay_share"):
        preset_from_dict(data, "old.toml")


def test_every_renamed_key_and_kind_exists() -> None:
    known = load_preset("tiny").to_dict()
    for old, new in RENAMED_KEYS.items():
        section, key = new.split(".")
        assert key in known[section] and old.split(".")[1] not in known[section]
    assert set(RENAMED_CORRUPTIONS.values()) <= set(CORRUPTIONS)
    assert set(RENAMED_CORRUPTIONS).isdisjoint(CORRUPTIONS)
    assert set(MIXED.split("+")) <= set(CORRUPTIONS)


def test_upgrade_keeps_the_order_and_the_input() -> None:
    data = tomllib.loads(OLD_PRESET)
    upgraded = upgrade_preset(data, "old.toml")
    assert list(upgraded) == list(data)
    assert list(upgraded["model"]) == ["decoder", "context_free_weight", "encode_offsets"]
    assert data == tomllib.loads(OLD_PRESET)
    assert upgrade_preset(upgraded, "old.toml") == upgraded


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "checkpoints" / "pretrained").glob("*.safetensors")),
    ids=lambda p: p.stem,
)
def test_shipped_headers_load(path: Path) -> None:
    preset = preset_from_dict(read_header(path)["preset"], str(path))
    assert isinstance(preset, Preset)
    shipped = load_preset(path.stem)
    assert preset.training.condition_kinds == shipped.training.condition_kinds
    assert preset.model.encode_offsets == shipped.model.encode_offsets
