"""Our networks with converted weights give the outputs of the official ones."""

import logging

import numpy as np
import pytest
import torch

from helpers.official_networks import golden_input, official_state_dict, our_network
from helpers.shared_data import load_golden
from mmdet_centernet.converters import convert_official_state_dict

BRANCHES = ('hm', 'wh', 'reg')
POSE_BRANCHES = ('hps.', 'hm_hp.', 'hp_offset.')
NETWORKS = [
    'res_18',
    'resdcn_18',
    'dla_34',
    pytest.param('hourglass', marks=pytest.mark.slow),
]


@pytest.mark.parametrize('name', NETWORKS)
def test_every_branch_of_every_stack_is_the_official_one(name):
    compare(
        load_golden(f'networks_{name}'), our_network(name), official_state_dict(name)
    )


def test_one_class_and_a_wide_image():
    # The trunk and three of the branches of the network for human poses.
    weights = {
        key: value
        for key, value in official_state_dict('pose_dla_34').items()
        if not key.startswith(POSE_BRANCHES)
    }
    model = our_network('dla_34', num_classes=1)
    compare(load_golden('networks_pose_dla_34'), model, weights)


@torch.no_grad()
def compare(golden, model, official_weights):
    model.load_state_dict(convert_official_state_dict(official_weights))
    maps = model.bbox_head(model.extract_feat(golden_input(golden)))
    num_stacks = int(golden['num_stacks'])
    assert [len(stacks) for stacks in maps] == [num_stacks] * len(BRANCHES)
    for branch, stacks in zip(BRANCHES, maps, strict=True):
        for stack, ours in enumerate(stacks):
            official = golden[f'stack{stack}__{branch}']
            difference = np.abs(ours.numpy() - official)
            # Shown by --log-cli-level=INFO, for docs/parity.md.
            logging.info(
                '%s, stack %d, %s: values to %.1f, largest difference %.1e',
                *(golden['arch'], stack, branch, np.abs(official).max()),
                difference.max(),
            )
            assert (difference <= 1e-4 * (1 + np.abs(official))).all()
