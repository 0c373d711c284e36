"""Some cases of each kind in `tests/fuzz`; hypothesis chooses the seeds."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import init_default_scope

from fuzz.kinds import KINDS


@pytest.mark.parametrize('kind', KINDS)
@settings(max_examples=40, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32))
def test_right_or_refused(kind, seed):
    init_default_scope('mmdet')
    assert KINDS[kind](Random(seed)) in ('right', 'refused')
