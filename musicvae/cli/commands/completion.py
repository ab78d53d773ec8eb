"""`musicvae completion`: the completion script of a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_MUSICVAE_COMPLETE"


@click.command(name="completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the completion script of SHELL for commands, options, checkpoints, presets and corpora.

    To install it, append it once (>>) to ~/.bashrc, or to ~/.zshrc below compinit; for fish, write
    it (>) to ~/.config/fish/completions/musicvae.fish.

    \b
    Examples:
      musicvae completion bash
      musicvae completion zsh
      musicvae completion fish
    """
    root = click.get_current_context().find_root().command
    completion_class = get_completion_class(shell)
    assert completion_class is not None, "click supports these shells"
    click.echo(completion_class(root, {}, "musicvae", VARIABLE).source())
