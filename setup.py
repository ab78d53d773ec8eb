"""What `pyproject.toml` cannot say: the packages of the wheel, and the README with absolute links.

The packages are all below `musicvae`, and the weights in `checkpoints/pretrained`.
"""

import re
from pathlib import Path

from setuptools import find_namespace_packages, setup

REPOSITORY = "https://github.com/musicvae/musicvae"
FILES, IMAGES = f"{REPOSITORY}/blob/main/", f"{REPOSITORY}/raw/main/"


def absolute_links(readme: str) -> str:
    """Return a README whose links and pictures work away from the repository."""
    readme = re.sub(r"\]\((?!https?:|#)", f"]({FILES}", readme)
    return re.sub(r'(src|srcset)="(?!https?:)', rf'\1="{IMAGES}', readme)


setup(
    packages=[*find_namespace_packages(include=["musicvae*"]), "musicvae.pretrained"],
    long_description=absolute_links(Path(__file__).with_name("README.md").read_text("utf-8")),
    long_description_content_type="text/markdown",
)
