import pytest
from hypothesis import settings
from mmengine.registry import init_default_scope

# First, so that mmdet finds operators where mmcv has none.
import mmdet_centernet  # noqa: F401

# A machine that is busy with something else makes no test wrong.
settings.register_profile('untimed', deadline=None)
settings.load_profile('untimed')


@pytest.fixture(autouse=True)
def mmdet_scope():
    """Look types up in mmdet, whatever scope a runner of another test left."""
    init_default_scope('mmdet')
