"""How what recurs is solved: analysis of a step, plans, loops, Newton's method and derivatives."""

from .analysis import AFFINE as AFFINE, FREE as FREE, NONLINEAR as NONLINEAR, analyse as analyse, reads as reads
from .fusion import Fused as Fused, fuse as fuse
from .limit import raise_limit as raise_limit, small_loop_bytes as small_loop_bytes
from .solve import choose as choose, scan as scan, solve as solve
from .sums import exact as exact, joined as joined, restarting as restarting, running as running, sums as sums
from .tangents import batched_alike as batched_alike, is_zero as is_zero, live_of as live_of
from .transposed import with_transpose as with_transpose
