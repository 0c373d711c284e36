"""ImageNet weights of a DLA-34 with the names of three libraries."""

from functools import cache

import pytest
import torch

from helpers.official_networks import official_shapes
from mmdet_centernet.converters import convert_dla_imagenet, convert_official_state_dict
from mmdet_centernet.models import DLANet

DEAD = ('level3.project', 'level4.project')


@cache
def official():
    """The trunk and the classifier, as ucbdrive/dla saved it: without counters."""
    torch.manual_seed(0)
    return {
        key.removeprefix('base.'): torch.rand(shape)
        for key, shape in official_shapes('dla_34').items()
        if key.startswith('base.') and not key.endswith('num_batches_tracked')
    }


def timm():
    """Without the unused projections."""
    return {k: v for k, v in official().items() if not k.startswith(DEAD)}


def mmdet3d():
    """Without classifier; norms of blocks and roots are named norm."""
    return {
        k.replace('.bn1.', '.norm1.')
        .replace('.bn2.', '.norm2.')
        .replace('root.bn.', 'root.norm.'): v
        for k, v in official().items()
        if not k.startswith('fc.')
    }


@cache
def same_in_a_detector():
    """The backbone of the official detector with these weights."""
    weights = {k: torch.zeros(s) for k, s in official_shapes('dla_34').items()}
    weights |= {f'base.{key}': value for key, value in official().items()}
    return {
        key.removeprefix('backbone.'): value
        for key, value in convert_official_state_dict(weights).items()
        if key.startswith('backbone.')
    }


@pytest.mark.parametrize('source', [official, timm, mmdet3d])
@pytest.mark.parametrize('wrapped', [False, True])
def test_init_cfg_takes_a_file_of_any_origin(source, wrapped, tmp_path):
    path = tmp_path / 'dla34.pth'
    weights = source()
    torch.save(dict(state_dict=weights, epoch=1) if wrapped else weights, path)
    model = DLANet(init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    model.init_weights()
    expected = same_in_a_detector()
    for key, value in model.state_dict().items():
        assert torch.equal(value, expected[key]), key


def test_backbone_of_a_whole_detector_by_its_prefix(tmp_path):
    path = tmp_path / 'smoke.pth'
    weights = {f'backbone.{key}': value for key, value in mmdet3d().items()}
    torch.save(dict(state_dict=weights | {'neck.x': torch.zeros(1)}), path)
    checkpoint = dict(type='Pretrained', checkpoint=str(path), prefix='backbone.')
    model = DLANet(init_cfg=[dict(type='Kaiming', layer='Conv2d'), checkpoint])
    model.init_weights()
    assert torch.equal(model.stem.conv.weight, official()['base_layer.0.weight'])


def test_levels_that_are_not_built_need_no_weights(tmp_path):
    path = tmp_path / 'dla34.pth'
    torch.save(official(), path)
    init_cfg = dict(type='Pretrained', checkpoint=str(path))
    model = DLANet(out_indices=(1, 2), init_cfg=init_cfg)
    model.init_weights()
    expected = same_in_a_detector()
    assert torch.equal(
        model.levels[2].root.conv.weight, expected['levels.2.root.conv.weight']
    )


def test_a_file_that_does_not_fit_is_refused_with_its_name(tmp_path):
    path = tmp_path / 'other.pth'
    weights = dict(official())
    del weights['level5.root.bn.weight']
    weights['layer1.0.conv1.weight'] = torch.zeros(1)
    torch.save(weights, path)
    model = DLANet(init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    with pytest.raises(ValueError, match=r'other\.pth') as error:
        model.init_weights()
    assert 'missing: level5.root.bn.weight' in str(error.value)
    assert 'unknown: layer1.0.conv1.weight' in str(error.value)


def test_the_way_of_writing_does_not_matter():
    official_keys, *others = (
        list(convert_dla_imagenet(source())) for source in (official, timm, mmdet3d)
    )
    assert all(keys == official_keys for keys in others)
