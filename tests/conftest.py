import pytest
from mmengine.registry import init_default_scope


@pytest.fixture(autouse=True)
def mmdet_scope():
    """Types are looked up in mmdet, whatever scope a runner of another test has left."""
    init_default_scope('mmdet')
