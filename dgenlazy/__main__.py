"""`python -m dgenlazy doctor | play | export`: this machine looked at, a file played, one written from a script."""

import argparse
import sys

from .config import BACKENDS
from .doctor import report
from .errors import DGenError
from .ship import play, written
from .version import __version__


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dgenlazy", description="dgenlazy's own commands.")
    parser.add_argument("--version", action="version", version=f"dgenlazy {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    doctor = commands.add_parser("doctor", help="what there is, what would run where, and whether it computes right")
    doctor.add_argument("--backend", choices=BACKENDS, default="auto", help="what to compare with the CPU (default: auto)")
    player = commands.add_parser("play", help="play a file that dg.export wrote for dg.load, on the sound card (extra `live`)")
    player.add_argument("path", help="the file, like voice.dgen")
    player.add_argument("--output", metavar="FILE", help="render into an audio file instead; needs no sound card")
    player.add_argument("--seconds", type=float, help="how long; by default as the input, or until Ctrl-C")
    player.add_argument("--input", metavar="FILE", dest="inputs", action="append", default=[], help="one for each input")
    player.add_argument("--set", metavar="NAME=NUMBER", dest="params", action="append", default=[], help="a parameter")
    writer = commands.add_parser("export", help="write what a script has made; the suffix chooses, like .html, .c, .clap")
    writer.add_argument("place", help="module:name, or file.py:name, of a value, or a dict, list or tuple of values")
    writer.add_argument("path", help="what is written")
    writer.add_argument("--params", help="variables of the module that stay parameters, like freq,gate (default: with bounds)")
    writer.add_argument("--unit", metavar="NAME=UNIT", dest="units", action="append", default=[], help="like cutoff=Hz")
    writer.add_argument("--rate", type=float, metavar="HZ", help="the sample rate, for all but .dgen")
    writer.add_argument("--title", help="of a page or a plug-in")
    writer.add_argument("--uri", help="of an LV2 plug-in, like urn:you:voice")
    writer.add_argument("--id", help="of a CLAP plug-in, like com.you.voice")
    writer.add_argument("--target", help="the machine that a plug-in is for, like aarch64-linux-gnu")
    writer.add_argument("--name", help="what functions of C begin with")
    writer.add_argument("--frames", type=int, help="the length of a block, for .dgen")
    given = vars(parser.parse_args())
    command = given.pop("command")
    if command == "doctor":
        return 0 if report(given["backend"]) else 1
    try:
        print(play(given.pop("path"), **given) if command == "play" else written(**given))
    except (DGenError, OSError) as e:
        print(f"{parser.prog}: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
