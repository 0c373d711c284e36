"""Types of configs in all styles."""

import pytest
from mmdet.models import CenterNet
from mmdet.registry import MODELS

from mmdet_centernet.config_types import find_class, type_name
from mmdet_centernet.models import CTDetHead

STYLES = [
    'CTDetHead',
    'mmdet.CTDetHead',
    'mmdet_centernet.models.CTDetHead',
    'mmdet_centernet.models.ctdet_head.CTDetHead',
    CTDetHead,
]


@pytest.mark.parametrize('style', STYLES)
def test_all_styles_resolve_to_the_same_class(style):
    assert find_class(MODELS, dict(type=style)) is CTDetHead
    assert type_name(dict(type=style)) == 'CTDetHead'


@pytest.mark.parametrize('style', ['NoSuchHead', 'no.such.Head', '', 3, None])
def test_unknown_types_resolve_to_none(style):
    assert find_class(MODELS, dict(type=style)) is None
    assert isinstance(type_name(dict(type=style)), str)


def test_a_config_without_a_type():
    assert find_class(MODELS, {}) is None
    assert type_name({}) == ''


def test_stock_types_are_found():
    assert find_class(MODELS, dict(type='CenterNet')) is CenterNet
