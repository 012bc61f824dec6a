"""What every test shares: one thread a process, the settings of a fresh session, and property tests that repeat."""

import os
import zlib

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import pytest
from hypothesis import settings
from quick import SHARE, SHARES

from dgenlazy import DGen

settings.register_profile("dgenlazy", deadline=None, derandomize=True)
settings.load_profile("dgenlazy")


@pytest.fixture(autouse=True)
def _fresh_settings():
    with DGen.override(backend="auto", sample_rate=44100.0, default_frame_count=1024, seed=0, inputs={}):
        yield


def pytest_collection_modifyitems(config, items):
    """Leave out the rows that are of another share."""
    others = {i for i in items if hasattr(i, "callspec") and zlib.crc32(i.nodeid.encode()) % SHARES != SHARE}
    if others:
        config.hook.pytest_deselected(items=[i for i in items if i in others])
        items[:] = [i for i in items if i not in others]
