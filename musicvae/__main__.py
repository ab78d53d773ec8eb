"""Entry point of `python -m musicvae` and `torchrun -m musicvae`."""

from musicvae.cli import main

if __name__ == "__main__":
    main(prog_name="musicvae")
