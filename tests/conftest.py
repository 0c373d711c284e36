import pytest
from mmengine.registry import init_default_scope


@pytest.fixture(autouse=True)
def mmdet_scope():
    """Look types up in mmdet, whatever scope a runner of another test left."""
    init_default_scope('mmdet')
