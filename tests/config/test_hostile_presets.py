"""Presets and settings from anywhere: what is refused, in one short line."""

from __future__ import annotations

from pathlib import Path

import pytest

from musicvae.config.preset import load_preset
from musicvae.errors import ConfigError, is_file_name
from support.cli import run

GOOD = 'name = "mine"\n[[parts]]\nname = "Voice"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD.replace("mine", "../../owned"), "name must be a name for a folder"),
        (GOOD.replace("mine", "/tmp"), "name must be"),
        (GOOD.replace("mine", "a\\\\b"), "name must be"),
        (GOOD.replace("mine", "a\\u0000"), "name must be"),
        (GOOD.replace("mine", "x" * 300), "name must be"),
        ("x = " + "[" * 5000, "not valid TOML"),
        ("x = " + "9" * 9000, "not valid TOML"),
        (GOOD + "[model]\nwidth = 9999999999999999999999\n", "model.width must be a number"),
        (GOOD + "[model]\nwidth = [1]\n", "model.width must be int, not list"),
        (GOOD + "[model]\nencoder = " + "'" + "x" * 5000 + "'\n", "model.encoder must be one of"),
        (GOOD + "[grid]\nmax_steps = 240000000\n", "grid.max_steps must be"),
        (GOOD + "[training]\nbatch = 99999999\n", "training.batch must be 1 to 65,536"),
        (GOOD + "[training]\nlearning_rate = nan\n", "training.learning_rate must be a number"),
        (GOOD + "[training]\nlearning_rate = inf\n", "training.learning_rate must be a number"),
        ("default_qpm = 0.0\n" + GOOD, "default_qpm must be"),
        (GOOD + "[prior]\nlayers = 100000\n", "prior.layers must be"),
    ],
)
def test_preset_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "preset.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        load_preset(path)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "setting",
    [
        'name="../../x"',
        'name="/x"',
        "model.width=" + "9" * 9000,
        "model.width=" + "[" * 9000,
        "training.learning_rate=nan",
    ],
)
def test_setting_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError):
        load_preset("tiny").with_settings([setting])


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "a/b", "a\\b", "c:", "a\nb", "x" * 300])
def test_name_of_a_run_is_no_path(name: str) -> None:
    assert not is_file_name(name)
    Path("midi").mkdir()
    for command in (("train", "midi"), ("personalise", "midi")):
        result = run(*command, "--name", name)
        assert result.exit_code == 2
        assert "give a name, not a path" in result.output or (not name and "empty" in result.output)


@pytest.mark.parametrize("name", ["mine", "my model (2)", "Übung-3", "a.b"])
def test_plain_names_are_names(name: str) -> None:
    assert is_file_name(name)
