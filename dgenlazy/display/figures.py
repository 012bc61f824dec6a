"""What all pictures share: axes that are readable on a light and on a dark page, in colours that all eyes tell apart."""

from __future__ import annotations

from typing import Any

from ..extras import imported

# After M. Okabe and K. Ito, Color Universal Design, 2008: what is dark enough for white, and light enough for black.
_ON_WHITE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7F7F7F", "#9A6324", "#E69F00", "#56B4E9")
_ON_BLACK = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#AAAAAA", "#FFFFFF")
SIZE = (7.0, 2.4)  # inches


def subplots(name: str, rows: int = 1, columns: int = 1, size: tuple[float, float] = SIZE, **settings: Any) -> Any:
    """A new figure and its axes. `name` is that of the function that asks."""
    figure, axes = imported("matplotlib.pyplot", name, "notebook").subplots(
        rows, columns, figsize=size, layout="constrained", squeeze=False, **settings
    )
    if not figure.patch.get_alpha() and figure.patch.get_facecolor()[3] < 1:
        figure.patch.set_facecolor("white")  # text is black, and the page behind it may be, too
    for ax in axes.flat:
        ax.set_prop_cycle(color=colours(ax))
    return figure, axes


def colours(ax: Any) -> tuple[str, ...]:
    """Those of lines on these axes, by what is behind them."""
    return _ON_BLACK if sum(imported("matplotlib.colors", "plot", "notebook").to_rgb(ax.get_facecolor())) < 1.5 else _ON_WHITE


def one(name: str, ax: Any) -> Any:
    """The axes that were given, or new ones."""
    return subplots(name)[1][0, 0] if ax is None else ax
