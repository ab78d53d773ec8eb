"""Floor 4: musical measures, one number each: of a whole song, and of windows of notes."""

from musicvae.attributes.song import describe
from musicvae.attributes.window import ATTRIBUTES, Attribute, lacking, measured

__all__ = ["ATTRIBUTES", "Attribute", "describe", "lacking", "measured"]
