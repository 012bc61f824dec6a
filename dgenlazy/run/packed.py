"""The state of a stream, or of an optimizer, in few arrays.

JAX takes microseconds for each that it is handed, and for each that it gives back.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any, final
from weakref import WeakValueDictionary

import jax
import jax.numpy as jnp
import numpy as np

_SMALL = 64  # elements: to copy more takes longer than to hand them over


Places = tuple[tuple[int, tuple[int, tuple[int, ...]] | None], ...]


@final
@dataclass(eq=False)
class Layout:
    """Where the arrays of a tree are. There is one object for all that are equal: JAX compares them in each call.

    Attributes:
        tree: What they are the leaves of.
        places: Of each the number of the array that holds it, and there the first element and the shape; None for an array
            that holds nothing else.
    """

    tree: Any
    places: Places


_layouts: WeakValueDictionary[tuple[Any, Places], Layout] = WeakValueDictionary()
_making = threading.Lock()


def _layout(tree: Any, places: Places) -> Layout:
    with _making:
        return _layouts.setdefault((tree, places), Layout(tree, places))


@final
@dataclass(eq=False)  # not frozen, which takes longer to make, in each block
class Packed:
    """A tree of arrays whose small ones are in one array of each type. Axes of a batch are before what is told here."""

    arrays: tuple[Any, ...]
    layout: Layout

    def tree(self) -> Any:
        """The tree, of parts of the arrays."""

        def part(place):
            held, within = self.arrays[place[0]], place[1]
            if within is None:
                return held
            first, shape = within
            return held[..., first : first + math.prod(shape)].reshape(held.shape[:-1] + shape)

        return self.layout.tree.unflatten([part(place) for place in self.layout.places])

    def on_host(self) -> Any:
        """The tree, of arrays of NumPy."""
        return jax.tree.map(np.asarray, self).tree()


jax.tree_util.register_dataclass(Packed, ["arrays"], ["layout"])


def packed(tree: Any, batched: bool = False, xp: Any = jnp) -> Packed:
    """`tree` in few arrays, those of `xp`; of a batch each of its arrays has an axis first."""
    leaves, structure = jax.tree.flatten(tree)
    arrays: list[Any] = []
    places: list[Any] = []
    small: dict[Any, list[Any]] = {}
    filled: dict[Any, int] = {}
    for x in leaves:
        shape = x.shape[batched:]
        size = math.prod(shape)
        if size > _SMALL:
            places.append((len(arrays), None))
            arrays.append(x)
        else:
            first = filled.get(x.dtype, 0)
            places.append((x.dtype, (first, shape)))
            filled[x.dtype] = first + size
            small.setdefault(x.dtype, []).append(x.reshape((*x.shape[:batched], size)))
    number = {dtype: len(arrays) + i for i, dtype in enumerate(small)}
    arrays += [xp.concatenate(group, axis=-1) for group in small.values()]
    found = tuple([place if place[1] is None else (number[place[0]], place[1]) for place in places])
    return Packed(tuple(arrays), _layout(structure, found))
