"""Floor 11: `python -m musicvae`, which `torchrun -m musicvae` needs as well."""

from musicvae.cli import main

if __name__ == "__main__":
    main(prog_name="musicvae")
