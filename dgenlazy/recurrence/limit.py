"""What XLA:CPU counts as a small loop, raised where nobody else has a say.

XLA:CPU compiles a `while` loop to a single piece of machine code if one iteration touches at most so many bytes, by default
about a kilobyte; beyond it, each operation of the body becomes a call, and an iteration costs several times as much. The limit
is an option of the whole process, which XLA reads as JAX's first backend starts.

So importing dgenlazy adds `--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=65536` to the environment
variable XLA_FLAGS, where processes that are started later see it too, unless

- a backend has started: then it would change nothing;
- XLA_FLAGS names `xla_backend_extra_options` already, with whatever value, or the file that flags are read from: that is the
  user's choice, and stays as it is;
- DGENLAZY_XLA_FLAGS is 0;
- JAX is older than 0.7.1, whose XLA has no such limit.

All loops of the process are compiled so, those of others too. Loops are laid out for the limit that holds: see `loops`.
"""

from __future__ import annotations

import os
import re

import jax

RAISED, BY_DEFAULT = 65536, 1024  # bytes
_FLAG, _OPTION = "xla_backend_extra_options", "xla_cpu_small_while_loop_byte_threshold"


def raise_limit() -> None:
    """Ask XLA for the raised limit, if it can still be asked and nobody else has."""
    flags = os.environ.get("XLA_FLAGS", "").strip()
    from_a_file = flags != "" and not flags.startswith("-")
    if os.environ.get("DGENLAZY_XLA_FLAGS") == "0" or from_a_file or _FLAG in flags or not _has_limit() or _started():
        return
    os.environ["XLA_FLAGS"] = f"{flags} --{_FLAG}={_OPTION}={RAISED}".lstrip()


def limit() -> int:
    """How many bytes an iteration of a small loop may touch, as XLA_FLAGS says; without a limit wide loops are faster, too."""
    if not _has_limit():
        return RAISED
    found = re.search(rf"{_OPTION}=(\d+)", os.environ.get("XLA_FLAGS", ""))
    return int(found[1]) if found else BY_DEFAULT


small_loop_bytes = limit  # outside of this package, whose attribute `limit` is the module


def _has_limit() -> bool:
    return jax.__version_info__ >= (0, 7, 1)


def _started() -> bool:
    """Whether a backend has started: JAX refuses another number of CPU devices then, and says it by nothing else."""
    count = jax.config.values["jax_num_cpu_devices"]
    try:
        jax.config.update("jax_num_cpu_devices", count + 1)
    except RuntimeError:
        return True
    jax.config.update("jax_num_cpu_devices", count)
    return False
