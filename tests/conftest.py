"""What every test shares: one thread a process, the settings of a fresh session, and property tests that repeat."""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import pytest
from hypothesis import settings

from dgenlazy import DGen

settings.register_profile("dgenlazy", deadline=None, derandomize=True)
settings.load_profile("dgenlazy")


@pytest.fixture(autouse=True)
def _fresh_settings():
    with DGen.override(backend="auto", sample_rate=44100.0, default_frame_count=1024, seed=0, inputs={}):
        yield
