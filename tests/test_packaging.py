"""The wheel: what a user who installs it gets."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path) -> None:
    pytest.importorskip("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    (wheel,) = tmp_path.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"musicvae"}
    for needed in (
        "musicvae/py.typed",
        "musicvae/config/presets/chorale-2bar.toml",
        "musicvae/report/page.css",
        "musicvae/report/player.js",
        "musicvae/pretrained/README.md",
        "musicvae/downbeats/bar_finder.safetensors",
        "musicvae/downbeats/bar_finder.md",
        "musicvae/downbeats/rhythm_model.safetensors",
        "musicvae/downbeats/rhythm_model.md",
        "musicvae/data/corpora/__init__.py",
        "musicvae/data/corpora/folk-split.csv",
    ):
        assert needed in names
    (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    description = archive.read(metadata).decode()
    links = re.findall(r'\]\(([^)]+)\)|src(?:set)?="([^"]+)"', description)
    targets = [markdown or html for markdown, html in links]
    assert len(targets) > 10 and all(t.startswith(("https://", "#")) for t in targets)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/NOTICE") for name in names)


def test_the_checkout_runs_without_installing() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("musicvae, version ")
