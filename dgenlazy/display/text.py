"""How values read: a line of text, and in a notebook HTML."""

from __future__ import annotations

import html as markup

import numpy as np

from ..graph import Data, Leaf, Node, Number
from ..run import stage

_MOST_LINES = 100  # of a program that is shown in HTML


def describe(name: str, node: Node | Leaf) -> str:
    """One line: class, shape, what it is made of."""
    facts = [f"shape={node.spec.shape}"]
    if isinstance(node, Data) and node.batched:
        facts.append(f"batch={len(node.array)}")
    if isinstance(node, Node):
        facts.append(f"op={node.name}")
    elif isinstance(node, (Data, Number)):
        data = np.asarray(node.array if isinstance(node, Data) else node.number, np.float32)
        facts.append(f"value={np.array2string(data, precision=6, threshold=6, edgeitems=2, separator=', ')}".replace("\n", ""))
    else:
        facts.append(type(node).__name__.lower())
    if node.requires_grad:
        facts.append("requires_grad=True")
    return f"{name}({', '.join(facts)})"


def html(name: str, node: Node | Leaf) -> str:
    """The line of `describe`, and the staged program to unfold."""
    program = str(stage([node])[0]).splitlines()
    if len(program) > _MOST_LINES:
        half = _MOST_LINES // 2
        program = [*program[:half], f"... {len(program) - 2 * half} more lines: print(x.program()) ...", *program[-half:]]
    text, line = markup.escape("\n".join(program)), markup.escape(describe(name, node))
    return f"<code>{line}</code><details><summary>program</summary><pre>{text}</pre></details>"
