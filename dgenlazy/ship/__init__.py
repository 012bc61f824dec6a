"""How a graph leaves the notebook: pure functions, exported files, players."""

from .export import export as export
from .foreign import from_jax as from_jax
from .function import function as function
from .native import NativePlayer as NativePlayer, compile as compile
from .player import Player as Player, load as load
