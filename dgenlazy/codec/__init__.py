"""What is in an audio file: whether it is whole, and its frames."""

from .decoder import BLOCK as BLOCK, fact as fact, package as package, stretch as stretch
