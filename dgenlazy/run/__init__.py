"""How a graph becomes a program, and the program a result: staging, loops, streams, devices."""

from . import backend as backend, leaves as leaves, length as length, memory as memory, runtime as runtime, samples as samples
from .cache import kept as kept
from .compiling import Compiled as Compiled, title as title
from .data import (
    assign as assign,
    assigning as assigning,
    name_what_is_too_long as name_what_is_too_long,
    on_device as on_device,
)
from .feedback import close as close
from .objective import loss_of as loss_of
from .packed import Packed as Packed, packed as packed
from .plan import Plans as Plans, plans as plans
from .program import Program as Program
from .stage import (
    Staged as Staged,
    initial_state as initial_state,
    restage as restage,
    run as run,
    stage as stage,
    step as step,
)
from .stream import Stream as Stream, flushed as flushed
from .terms import terms as terms
from .watch import edges as edges, watched as watched
