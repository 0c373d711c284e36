"""Official human pose networks convert with all keys, and back."""

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from helpers.official_networks import golden_input, official_state_dict
from helpers.official_pose import NETWORKS, official_pose_shapes, our_pose_network
from helpers.shared_data import load_golden
from helpers.tool_modules import load_tool
from mmdet_centernet.converters import (
    convert_official_state_dict,
    dead_tensors,
    detect_architecture,
    to_official_state_dict,
)

BRANCHES = dict(
    hm='heatmap',
    wh='wh',
    reg='offset',
    hps='keypoints',
    hm_hp='joint_heatmap',
    hp_offset='joint_offset',
)


def empty_weights(name):
    """Tensors of the right shapes that take no memory, all of them different."""
    shapes = official_pose_shapes(name)
    return {key: torch.empty(shape, device='meta') for key, shape in shapes.items()}


@pytest.mark.parametrize('name', NETWORKS)
def test_names_and_shapes_are_those_of_our_model(name):
    official = empty_weights(name)
    assert detect_architecture(official) == name
    ours = convert_official_state_dict(official)
    with torch.device('meta'):
        expected = our_pose_network(name).state_dict()
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


@pytest.mark.parametrize('name', NETWORKS)
def test_each_branch_goes_to_the_map_of_its_meaning(name):
    official = empty_weights(name)
    ours = {id(v): k for k, v in convert_official_state_dict(official).items()}
    for key, value in official.items():
        branch = key.split('.')[0]
        if branch in BRANCHES:
            assert ours[id(value)].startswith(f'bbox_head.{BRANCHES[branch]}_head.')


def test_missing_keys_of_joints_are_listed():
    official = empty_weights('pose_dla_34')
    missing = ['hps.2.bias', 'hm_hp.0.weight']
    for key in missing:
        del official[key]
    with pytest.raises(ValueError, match='pose_dla_34') as error:
        convert_official_state_dict(official)
    lines = str(error.value).splitlines()[1:]
    assert sorted(lines) == sorted(f'  missing: {key}' for key in missing)


@torch.no_grad()
def test_every_map_is_the_official_one():
    golden = load_golden('networks_pose_dla_34')
    model = our_pose_network('pose_dla_34')
    weights = official_state_dict('pose_dla_34')
    model.load_state_dict(convert_official_state_dict(weights))
    outs = model.bbox_head(model.extract_feat(golden_input(golden)))
    maps = model.bbox_head.name_maps(outs)
    assert maps.keys() == set(BRANCHES.values())
    for branch, ours in BRANCHES.items():
        official = golden[f'stack0__{branch}']
        difference = np.abs(maps[ours].numpy() - official)
        assert (difference <= 1e-4 * (1 + np.abs(official))).all(), branch


@pytest.mark.parametrize(
    'name', ['pose_dla_34', 'pose_dla_34_no_hp_offset', 'pose_dla_34_no_hm_hp']
)
def test_the_tool_names_a_config_that_takes_the_weights(
    name, tmp_path, monkeypatch, capsys
):
    source, target, back = (str(tmp_path / f'{n}.pth') for n in ('from', 'to', 'back'))
    official = {k: torch.rand(s) for k, s in official_pose_shapes(name).items()}
    torch.save(dict(epoch=3, state_dict=official), source)
    tool = load_tool('convert_official.py')

    def run(*arguments):
        monkeypatch.setattr('sys.argv', ['convert_official.py', *arguments])
        tool.main()
        return capsys.readouterr().out.splitlines()

    cfg = Config.fromfile(run(source, target)[-1])
    cfg.model.backbone.init_cfg = None
    init_default_scope('mmdet')
    checkpoint = torch.load(target, weights_only=True)
    MODELS.build(cfg.model).load_state_dict(checkpoint['state_dict'], strict=True)
    assert checkpoint['meta']['dataset_meta']['classes'] == ('person',)

    run('--to-official', target, back)
    returned = torch.load(back, weights_only=True)['state_dict']
    assert returned.keys() == official.keys()
    assert all(torch.equal(returned[key], official[key]) for key in official)
