"""Packages of the extras, which the package does not need itself."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from .errors import BackendError


def imported(module: str, what: str, extra: str) -> Any:
    """A module, or a BackendError that says how to install it."""
    try:
        with warnings.catch_warnings():  # of what they miss for themselves, as cma does for pictures
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except (ImportError, OSError) as e:  # OSError: soundfile without its libsndfile
        package = module.partition(".")[0]
        raise BackendError(f'{what}: {package} is not installed ({e}); pip install "dgenlazy[{extra}]"') from None
