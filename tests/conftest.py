"""Small songs, built in memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from musicvae.io import write
from musicvae.song import Song
from support.small_songs import band, chorale

os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile(
    "musicvae",
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("musicvae")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's cache."""
    monkeypatch.setenv("MUSICVAE_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def shipped(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's shipped models lie: none are there, whatever ships with the package."""
    folder = tmp_path_factory.mktemp("shipped")
    monkeypatch.setattr("musicvae.checkpoints.registry.shipped_folder", lambda: folder)
    return folder


@pytest.fixture
def shared_data() -> Path:
    """Real files beside the repository; tests that want them skip where there are none."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside this checkout")
    return folder


@pytest.fixture
def chorale_song() -> Song:
    return chorale()


@pytest.fixture
def band_song() -> Song:
    return band()


@pytest.fixture
def midi_folder(tmp_path: Path) -> Path:
    """Ten chorales, two in another key, in a folder with a subfolder."""
    folder = tmp_path / "midi"
    for seed in range(8):
        write(chorale(seed=seed), folder / f"song{seed}.mid")
    write(chorale(transpose=3, seed=1), folder / "more" / "song1-in-eb.mid")
    write(chorale(transpose=-2, seed=2), folder / "more" / "song2-in-bb.mid")
    return folder
