"""What an expression is: nodes and leaves, the kinds of op, composites of them, batches."""

from .batch import Batch as Batch, batch_of as batch_of, may_be_batched as may_be_batched
from .composite import composite as composite
from .modes import (
    derivative_of as derivative_of,
    in_our_modes as in_our_modes,
    in_users_modes as in_users_modes,
    with_float64 as with_float64,
)
from .node import (
    FLOAT as FLOAT,
    Data as Data,
    Hole as Hole,
    Input as Input,
    Leaf as Leaf,
    Lists as Lists,
    Node as Node,
    Number as Number,
    Seed as Seed,
    Spec as Spec,
    Value as Value,
    checked as checked,
    comparable as comparable,
    lift as lift,
    needs_value as needs_value,
    parts as parts,
    toposort as toposort,
)
from .op import (
    EVERY as EVERY,
    RUN as RUN,
    Context as Context,
    Elementwise as Elementwise,
    Op as Op,
    Params as Params,
    Pointwise as Pointwise,
    common_period as common_period,
    elementwise as elementwise,
    infer as infer,
    outputs_of as outputs_of,
    pick as pick,
    pointwise as pointwise,
    varying as varying,
)
from .primitive import Primitive as Primitive, is_literal as is_literal
from .rated import Clock as Clock, Rated as Rated, beside as beside
from .recur import (
    Recurrence as Recurrence,
    carrying as carrying,
    recurrence as recurrence,
    renewed as renewed,
    risen as risen,
    zeros as zeros,
)
from .whole import Block as Block, block as block
