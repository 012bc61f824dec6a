"""The voices of native.py in Faust: the same equations, and the C that Faust's own compiler makes of them.

Faust comes with DawDreamer, in the extra `bench`. It can write one loop over frames, which is the default, or loops over short
pieces of the block (`-vec`).
"""

import re

ALL = 'import("stdfaust.lib");\n'
CUTOFF = 'cutoff = hslider("cutoff", 800, 20, 20000, 0.01);\n'
RAMP = "ramp(f) = f / ma.SR : (+ : ma.frac) ~ _ : mem;\n"
VOICES = {
    "phasor and filter": f"{CUTOFF}{RAMP}process = ramp(110) * 2 - 1 : fi.resonlp(cutoff, 2, 1);",
    "bank of 16": f"{RAMP}process = sum(i, 16, sin(2 * ma.PI * ramp(55 * (i + 1))));",
    "bank of 100": f"{RAMP}process = sum(i, 100, sin(2 * ma.PI * ramp(55 * (i + 1))));",
    "ladder": CUTOFF
    + """
s = sin(ma.PI * cutoff / ma.SR);
g = 2 * s / (1 + 2 * s);
pole(u) = (\\(y).(y + g * (ma.tanh(u) - ma.tanh(y)))) ~ _;
process = (\\(y, x).(x - 2 * (1 + s) * (1 + s) * y) : seq(i, 4, pole)) ~ _;
""",
    "echo": "process = (\\(y, x).(x + 0.5 * (y @ 11024 : *(0.4) : + ~ *(0.6)))) ~ _;",
    "fdn": """
times = (1490, 1602, 1868, 2054);
lines = ro.interleave(4, 2) : par(i, 4, + : @(ba.take(i + 1, times) - 1));
process = _ <: si.bus(4) : lines ~ (ro.hadamard(4) : par(i, 4, *(0.85 / 2))) :> mem;
""",
}
# `os.osc` reads a table of 65,536 without interpolation.
TABLES = {f"bank of {count}": f"process = sum(i, {count}, os.osc(55 * (i + 1)));" for count in (16, 100)}
WAYS = {"scalar": [], "-vec": ["-vec", "-lv", "1"]}


def missing():
    """Why there is nothing to compare with, or nothing."""
    try:
        import dawdreamer  # noqa: F401
    except ImportError as e:
        return f"no comparison with Faust: {e}; pip install dgenlazy[bench], or dawdreamer alone"
    return ""


def source(program, way):
    """The C of a program: its struct and functions, without those that a user interface asks for."""
    from dawdreamer.faust import FaustContext
    from dawdreamer.faust.box import boxFromDSP, boxToSource

    with FaustContext():
        text = boxToSource(boxFromDSP(ALL + program), "c", "faust", ["-single", *WAYS[way]])
    for name in ("metadatafaust", "buildUserInterfacefaust"):
        text = re.sub(rf"void {name}\(.*?\n\}}\n", "", text, flags=re.DOTALL)
    return text
