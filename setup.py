"""Packages of the wheel: all below `musicvae`, and the weights in `checkpoints/pretrained`."""

from setuptools import find_namespace_packages, setup

setup(packages=[*find_namespace_packages(include=["musicvae*"]), "musicvae.pretrained"])
