"""`python -m dgenlazy doctor`: a report about this machine, exit code 1 if something is broken. `--version`: ours."""

import argparse
import sys

from .config import BACKENDS
from .doctor import report
from .version import __version__


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dgenlazy", description="dgenlazy's own commands.")
    parser.add_argument("--version", action="version", version=f"dgenlazy {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    doctor = commands.add_parser("doctor", help="what there is, what would run where, and whether it computes right")
    doctor.add_argument("--backend", choices=BACKENDS, default="auto", help="what to compare with the CPU (default: auto)")
    return 0 if report(parser.parse_args().backend) else 1


if __name__ == "__main__":
    sys.exit(main())
