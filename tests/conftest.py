import pytest
from hypothesis import settings
from mmengine.registry import init_default_scope

# Before mmdet, since it brings mmcv's operators where mmcv has no compiled ones.
import mmdet_centernet  # noqa: F401

# No deadline: tests must pass on a loaded machine.
settings.register_profile('untimed', deadline=None)
settings.load_profile('untimed')


@pytest.fixture(autouse=True)
def mmdet_scope():
    """Resets the default scope, which runners of other tests change."""
    init_default_scope('mmdet')
