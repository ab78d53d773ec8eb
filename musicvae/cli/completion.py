"""Completers of option values in a shell: checkpoints, presets, corpora.

Called by click while a line is typed: nothing here loads torch, and errors are silent.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from musicvae.errors import MusicVAEError


def complete_checkpoint(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete shipped models, runs under `./checkpoints/`, and files."""
    from musicvae.checkpoints import MODEL_FILE, checkpoint_name, shipped_checkpoints

    found = [(checkpoint_name(path), "shipped") for path in shipped_checkpoints()]
    runs = sorted(Path("checkpoints").glob(f"*/{MODEL_FILE}"))
    found += [(checkpoint_name(path), "your run") for path in runs]
    return _matching(found, incomplete) or [CompletionItem(incomplete, type="file")]


def complete_origin(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete what training can start from: checkpoints, or `scratch`."""
    scratch = _matching([("scratch", "random weights")], incomplete)
    return scratch + complete_checkpoint(ctx, param, incomplete)


def complete_preset(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete shipped presets and TOML files."""
    from musicvae.config.preset import load_preset, preset_names

    try:
        known = [(name, load_preset(name).description) for name in preset_names()]
    except MusicVAEError:
        return []
    return _matching(known, incomplete) or [CompletionItem(incomplete, type="file")]


def complete_corpus(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete built-in corpora."""
    from musicvae.data import corpora as known

    return _matching([(name, known.get(name).title) for name in known.names()], incomplete)


def _matching(known: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name, help=what) for name, what in known if name.startswith(incomplete)]
