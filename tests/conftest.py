"""What holds for all tests: isolation from the user, small songs, marks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from musicvae.io import write
from musicvae.song import Song
from support.songs import small_band, small_chorale

os.environ.setdefault("OMP_NUM_THREADS", "1")
BF16 = bool(os.environ.get("MUSICVAE_TEST_BF16"))
"""Compute in bf16 wherever a device with instructions for it would."""

settings.register_profile(
    "musicvae",
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("musicvae")


NUMERICAL = {
    "checkpoints",
    "downbeats",
    "evaluation",
    "harmony",
    "latent",
    "networks",
    "tools",
    "training",
}
"""Folders of tests in which networks compute; `scripts/test --machines` runs these."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        if folder in NUMERICAL or item.path.stem == "test_transcription":
            item.add_marker("numerical")


@pytest.fixture(scope="session", autouse=True)
def isolated_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees a folder, cache or setting of the user's; nor does a fixture of a module."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MUSICVAE_")]:
            patch.delenv(name)
        for name in ("HOME", "USERPROFILE"):
            patch.setenv(name, str(home))
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            patch.setenv(name, str(home / name.lower()))
        # Fonts are found once for all sessions, not once for each.
        patch.setenv("MPLCONFIGDIR", str(Path(tempfile.gettempdir()) / "musicvae-tests-matplotlib"))
        patch.setenv("MUSICVAE_CACHE", str(home / "cache"))
        patch.chdir(tmp_path_factory.mktemp("session"))
        if BF16:
            for module in ("networks.devices", "training.fit_flow"):
                patch.setattr(f"musicvae.{module}.is_bf16_fast", lambda device: True)
        yield


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins in an empty folder, with an empty cache."""
    monkeypatch.setenv("MUSICVAE_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))


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
    return small_chorale()


@pytest.fixture
def band_song() -> Song:
    return small_band()


@pytest.fixture
def midi_folder(tmp_path: Path) -> Path:
    """Ten chorales, two in another key, in a folder with a subfolder."""
    folder = tmp_path / "midi"
    for seed in range(8):
        write(small_chorale(seed=seed), folder / f"song{seed}.mid")
    write(small_chorale(transpose=3, seed=1), folder / "more" / "song1-in-eb.mid")
    write(small_chorale(transpose=-2, seed=2), folder / "more" / "song2-in-bb.mid")
    return folder
