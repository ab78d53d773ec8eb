"""Floor 11: `musicvae completion`: what a shell needs to complete commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_MUSICVAE_COMPLETE"


@click.command(name="completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print what makes SHELL complete commands, options, checkpoints, presets and corpora.

    For good append it once (>>) to ~/.bashrc, or to ~/.zshrc below its compinit; for fish write it
    (>) to musicvae.fish in ~/.config/fish/completions/.

    \b
    Examples:
      musicvae completion bash
      musicvae completion zsh
      musicvae completion fish
    """
    root = click.get_current_context().find_root().command
    found = get_completion_class(shell)
    assert found is not None, "click knows these shells"
    click.echo(found(root, {}, "musicvae", VARIABLE).source())
