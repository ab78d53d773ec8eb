"""Floor 11: what a shell may complete: names of checkpoints, presets and corpora.

Called by click while a line is being typed, so nothing here loads torch, and trouble is silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from musicvae.errors import MusicVAEError

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def checkpoints(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Shipped models, runs under `./checkpoints/`, and files."""
    from musicvae.checkpoints import MODEL_FILE, checkpoint_name, shipped_checkpoints

    found = [(checkpoint_name(path), "shipped") for path in shipped_checkpoints()]
    runs = sorted(Path("checkpoints").glob(f"*/{MODEL_FILE}"))
    found += [(checkpoint_name(path), "your run") for path in runs]
    return _matching(found, incomplete) or [CompletionItem(incomplete, type="file")]


def origins(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What training can begin from: checkpoints, or nothing."""
    scratch = _matching([("scratch", "from no model")], incomplete)
    return scratch + checkpoints(ctx, param, incomplete)


def presets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shipped presets, and TOML files."""
    from musicvae.config.preset import load_preset, preset_names

    try:
        known = [(name, load_preset(name).description) for name in preset_names()]
    except MusicVAEError:
        return []
    return _matching(known, incomplete) or [CompletionItem(incomplete, type="file")]


def corpora(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Built-in corpora."""
    from musicvae.data import corpora as known

    return _matching([(name, known.get(name).title) for name in known.names()], incomplete)


def _matching(known: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name, help=what) for name, what in known if name.startswith(incomplete)]
