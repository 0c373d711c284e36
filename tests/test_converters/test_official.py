"""Official state dicts convert with all keys, and back."""

import pytest
import torch

from helpers.official_networks import (
    CONFIGS,
    official_shapes,
    official_state_dict,
    our_network,
)
from mmdet_centernet.converters import (
    convert_official_state_dict,
    dead_tensors,
    detect_architecture,
    official_network,
    to_official_state_dict,
)

NETWORKS = sorted(CONFIGS)
DEAD_OF_DLA = ('base.fc.', 'base.level3.project.', 'base.level4.project.')


def empty_weights(name):
    """Tensors of the right shapes that take no memory, all of them different."""
    shapes = official_shapes(name)
    return {key: torch.empty(shape, device='meta') for key, shape in shapes.items()}


@pytest.mark.parametrize('name', NETWORKS)
def test_names_and_shapes_are_those_of_our_model(name):
    official = empty_weights(name)
    assert detect_architecture(official) == name
    ours = convert_official_state_dict(official)
    with torch.device('meta'):
        expected = our_network(name).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {
        k: v.shape for k, v in expected.items()
    }


@pytest.mark.parametrize('name', NETWORKS)
def test_the_way_back_returns_the_same_tensors(name):
    official = empty_weights(name)
    back = to_official_state_dict(convert_official_state_dict(official))
    back |= {key: value for key, (value, _) in dead_tensors(official).items()}
    assert back.keys() == official.keys()
    assert all(back[key] is official[key] for key in official)


def test_only_dead_tensors_of_dla_are_dropped_and_each_has_a_reason():
    dropped = {name: dead_tensors(empty_weights(name)) for name in NETWORKS}
    assert {name for name, dead in dropped.items() if dead} == {'dla_34'}
    official = official_shapes('dla_34')
    assert set(dropped['dla_34']) == {k for k in official if k.startswith(DEAD_OF_DLA)}
    assert all(reason for _, reason in dropped['dla_34'].values())


@pytest.mark.parametrize('name', NETWORKS)
def test_prefix_of_a_parallel_wrapper_and_missing_counters(name):
    official = empty_weights(name)
    old = {
        f'module.{key}': value
        for key, value in official.items()
        if not key.endswith('num_batches_tracked')
    }
    plain, converted = map(convert_official_state_dict, (official, old))
    assert plain.keys() == converted.keys()
    for key, value in converted.items():
        if key.endswith('num_batches_tracked'):
            assert value.shape == () and value.dtype == torch.long and value == 0
        else:
            assert value is plain[key]


def test_the_input_stays_as_it_is():
    official = empty_weights('dla_34')
    before = dict(official)
    convert_official_state_dict(official)
    assert official == before


@pytest.mark.parametrize('num_classes', [1, 3, 20])
def test_any_number_of_classes(num_classes):
    official = official_state_dict('resdcn_18')
    for leaf in ('weight', 'bias'):
        official[f'hm.2.{leaf}'] = official[f'hm.2.{leaf}'][:num_classes]
    model = our_network('resdcn_18', num_classes)
    model.load_state_dict(convert_official_state_dict(official))
    bias = model.bbox_head.heatmap_head[-1].bias
    torch.testing.assert_close(bias.data, official['hm.2.bias'], rtol=0, atol=0)


@pytest.mark.parametrize('name', NETWORKS)
def test_every_unknown_and_every_missing_key_is_listed(name):
    official = empty_weights(name)
    # Those by which one would tell the networks apart are among them.
    missing = [k for k in official if k.startswith(('hm.', 'pre.0', 'deconv_layers.0'))]
    missing += [k for k in official if k.startswith(('base.base_layer', 'ida_up.up_2'))]
    for key in missing:
        del official[key]
    unknown = ['hps.0.weight', 'optimizer']
    official |= {key: torch.zeros(1) for key in unknown}
    with pytest.raises(ValueError, match=name) as error:
        convert_official_state_dict(official)
    lines = str(error.value).splitlines()[1:]
    expected = [f'  unknown: {k}' for k in unknown]
    expected += [f'  missing: {k}' for k in missing if 'num_batches' not in k]
    assert sorted(lines) == sorted(expected)


def test_one_missing_key_is_enough():
    official = empty_weights('resdcn_18')
    del official['deconv_layers.0.bias']
    with pytest.raises(ValueError, match=r'missing: deconv_layers\.0\.bias$'):
        convert_official_state_dict(official)


def test_one_unknown_key_is_enough():
    official = empty_weights('resdcn_18') | {'fc.weight': torch.zeros(1)}
    with pytest.raises(ValueError, match=r'unknown: fc\.weight$'):
        convert_official_state_dict(official)


def test_a_key_with_and_without_prefix_is_refused():
    official = empty_weights('resdcn_18')
    official['module.hm.2.bias'] = torch.zeros(80)
    with pytest.raises(ValueError, match=r'(?s)with and without.*hm\.2\.bias'):
        convert_official_state_dict(official)


def test_weights_of_mmdets_neck_lack_the_official_biases():
    # CTResNetNeck has no bias, which the official network needs.
    ours = convert_official_state_dict(empty_weights('resdcn_18'))
    biases = [f'neck.deconv_layers.{i}.conv.bias' for i in (0, 2, 4)]
    stock = {key: value for key, value in ours.items() if key not in biases}
    with pytest.raises(ValueError, match='missing') as error:
        to_official_state_dict(stock)
    assert all(key in str(error.value) for key in biases)


def test_the_former_name_still_works_and_warns():
    with pytest.warns(DeprecationWarning, match='detect_architecture'):
        assert official_network(empty_weights('res_18')) == 'res_18'
