"""How a graph is run without Python: as C, and as what is built from it."""

from .build import FLAGS as FLAGS, built as built, found as found
from .formats import OPTIONS as OPTIONS, write as write
from .page import page as page
from .player import NativePlayer as NativePlayer, compile as compile
from .source import Source as Source, name_of as name_of, source as source
