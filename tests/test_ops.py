"""Every public op keeps the contract."""

import cases
import pytest


@pytest.mark.parametrize("case", [pytest.param(c, id=c.id) for c in cases.TABLE])
def test_an_op_keeps_the_contract(case):
    case.check()


@pytest.mark.parametrize("op", [pytest.param(op, id=name) for op, name in cases.NAMES.items()])
def test_a_public_op_has_a_case(op):
    assert any(case.op is op for case in cases.TABLE)
