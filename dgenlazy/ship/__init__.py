"""How a graph leaves the notebook: pure functions, exported files, players."""

from .commandline import play as play, written as written
from .export import export as export
from .foreign import from_jax as from_jax
from .function import function as function
from .live import live as live
from .native import NativePlayer as NativePlayer, compile as compile, found as found
from .player import Player as Player, load as load
