"""Run `musicvae` from a checkout: `python cli.py --help`."""

from musicvae.cli import main

if __name__ == "__main__":
    main()
