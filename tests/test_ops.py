"""Every public op keeps the contract."""

import os
import zlib

import cases
import pytest

EVERY = int(os.environ.get("DGENLAZY_EVERY", "1"))  # one case in so many, where versions are tried and not ops
TABLE = [c for c in cases.TABLE if zlib.crc32(c.id.encode()) % EVERY == 0]


@pytest.mark.parametrize("case", [pytest.param(c, id=c.id) for c in TABLE])
def test_an_op_keeps_the_contract(case):
    case.check()


@pytest.mark.parametrize("op", [pytest.param(op, id=name) for op, name in cases.NAMES.items()])
def test_a_public_op_has_a_case(op):
    assert any(case.op is op for case in cases.TABLE)
