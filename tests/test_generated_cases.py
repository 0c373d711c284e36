"""The cases of `tools/soak.py`, a few of each kind, chosen by hypothesis."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import init_default_scope

from helpers.tool_modules import load_tool

soak = load_tool('soak.py')


@pytest.mark.parametrize('kind', soak.KINDS)
@settings(max_examples=40, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32))
def test_right_or_refused(kind, seed):
    init_default_scope('mmdet')
    assert soak.KINDS[kind](Random(seed)) in ('right', 'refused')
