"""A graph as a page inside of a notebook: heard while it is turned, without a server."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from ..config import whole_number
from ..errors import BackendError, spelled
from ..extras import imported
from . import native


@spelled
def live(
    outputs: Any,
    params: Mapping[str, Any] | None = None,
    *,
    units: Mapping[str, str] | None = None,
    title: str = "",
    height: int = 640,
) -> Any:
    """The page that `dg.export(..., "voice.html")` writes, inside of a notebook: sliders and sound.

    It is the program built for the browser, so it plays on after the notebook's Python has gone. Where there is no compiler the
    page says how to get one.

    Args:
        outputs: A value, or a dict, list or tuple of values.
        params: What has a slider, by name: numbers and arrays with bounds. All others become constants.
        units: Of parameters, by their names. What is in Hz moves by octaves, and what else `dg.export` says does so.
        title: Above all.
        height: Of the frame, in pixels.

    Returns:
        An `IPython.display.HTML` with a frame that holds all of the page.

    Raises:
        ArgumentError: parameters have no bounds; and what `dg.export` raises for a page. BackendError: IPython is missing.

    >>> from dgenlazy import display
    >>> cutoff = Signal.param(500.0, min=20.0, max=20000.0)
    >>> display.live((Signal.phasor(110.0) - 0.5).biquad(cutoff), {"cutoff": cutoff}, units={"cutoff": "Hz"})
    <IPython.core.display.HTML object>
    """
    shown = imported("IPython.display", "live", "notebook").HTML
    height = whole_number("live: height", height, least=1)
    try:
        page = native.page(native.source(outputs, params, "voice", units), title)
    except BackendError as e:
        page = f'<!doctype html><meta name="color-scheme" content="light dark"><p>No sound here yet: {html.escape(str(e))}</p>'
    style = f"width: 100%; height: {height}px; border: 0"
    untrusted = "Run this cell, or trust the notebook, and a page that plays is here."  # the words of a frame stay
    frame = f'<iframe allow="autoplay; microphone" style="{style}" srcdoc="{html.escape(page)}">{untrusted}</iframe>'
    return shown(f"<div>{frame}</div>")  # of a bare frame IPython says that it has a class for those
