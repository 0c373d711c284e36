"""Official networks with the weights that the golden vectors were made with."""

import json
import math
import zlib

import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope

from helpers.shared_data import load_golden
from helpers.tiny import load_config

GAIN = 1.6
DEFORMED_GAIN = 6.0
OFFSET_SCALE = 0.15
SMALL_NORM = 0.3

CONFIGS = dict(
    res_18='ctdet_r18_6xb19-official-140e_coco',
    resdcn_18='ctdet_r18-dcnv2_6xb19-official-140e_coco',
    resdcn_101='ctdet_r101-dcnv2_8xb12-official-140e_coco',
    dla_34='ctdet_dla34-dcnv2_8xb16-official-140e_coco',
    hourglass='ctdet_hourglass104_4xb6-official-50e_coco',
)


def our_network(name, num_classes=80):
    """Our counterpart of an official network, from its config."""
    cfg = load_config(CONFIGS[name])
    cfg.model.bbox_head.num_classes = num_classes
    init_default_scope('mmdet')
    return MODELS.build(cfg.model).eval()


def official_shapes(name):
    """Keys and shapes of an official network."""
    if name == 'resdcn_101':
        return _resdcn_101_shapes()
    return dict(json.loads(str(load_golden(f'networks_{name}')['state_dict_json'])))


def official_state_dict(name):
    """The weights of a golden network, checked against samples that lie by."""
    weights = filled(official_shapes(name))
    golden = load_golden(f'networks_{name}')
    for i, key in enumerate(golden['weight_check_keys']):
        values = weights[key].double().flatten().numpy()
        first_two, total = (
            golden[f'weight_check_{what}'][i] for what in ('first2', 'sum')
        )
        np.testing.assert_allclose(values[:2], first_two, rtol=1e-6)
        np.testing.assert_allclose(values.sum(), total, rtol=1e-5, atol=1e-4)
    return weights


def filled(shapes):
    """Weights by the rule of the golden vectors, which depends only on the keys."""
    return {key: _weight(key, shape, shapes) for key, shape in shapes.items()}


def golden_input(golden):
    random = np.random.Generator(np.random.PCG64(int(golden['input_seed'])))
    pixels = random.normal(size=golden['input_shape']).astype(np.float32)
    np.testing.assert_array_equal(pixels.ravel()[:8], golden['input_head'])
    return torch.from_numpy(pixels)


def _resdcn_101_shapes():
    """Those of resdcn_18 with the backbone of torchvision's ResNet-101.

    There is no golden vector for this network.
    """
    shapes = official_shapes('resdcn_18')
    shapes = {k: v for k, v in shapes.items() if not k.startswith('layer')}
    for key in ('weight', 'conv_offset_mask.weight'):
        shapes[f'deconv_layers.0.{key}'][1] = 2048
    width = 64
    for stage, num_blocks in enumerate((3, 4, 23, 3)):
        inner = 64 * 2**stage
        for block in range(num_blocks):
            prefix = f'layer{stage + 1}.{block}'
            _add_conv_and_norm(shapes, prefix, 'conv1', 'bn1', [inner, width, 1, 1])
            _add_conv_and_norm(shapes, prefix, 'conv2', 'bn2', [inner, inner, 3, 3])
            _add_conv_and_norm(shapes, prefix, 'conv3', 'bn3', [4 * inner, inner, 1, 1])
            if block == 0:
                prefix, shape = f'{prefix}.downsample', [4 * inner, width, 1, 1]
                _add_conv_and_norm(shapes, prefix, '0', '1', shape)
            width = 4 * inner
    return shapes


def _add_conv_and_norm(shapes, prefix, conv, norm, shape):
    shapes[f'{prefix}.{conv}.weight'] = shape
    for leaf in ('weight', 'bias', 'running_mean', 'running_var'):
        shapes[f'{prefix}.{norm}.{leaf}'] = shape[:1]
    shapes[f'{prefix}.{norm}.num_batches_tracked'] = []


def _weight(key, shape, shapes):
    random = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode())))
    parent, _, leaf = key.rpartition('.')
    if leaf == 'num_batches_tracked':
        return torch.tensor(0)
    if leaf == 'running_var':
        value = random.uniform(0.5, 1.5, shape)
    elif leaf in ('running_mean', 'bias'):
        value = random.normal(0, 0.1, shape)
    elif len(shape) == 1:
        value = random.uniform(0.5, 1.5, shape)
        value *= SMALL_NORM if parent.endswith(('bn2', 'bn3')) else 1
    else:
        value = random.normal(0, math.sqrt(_gain(parent, shape, shapes)), shape)
        value *= OFFSET_SCALE if parent.endswith('conv_offset_mask') else 1
    return torch.tensor(value, dtype=torch.float32)


def _gain(parent, shape, shapes):
    """Variance of a weight."""
    gain = GAIN
    if shape[2] % 2 == 0:
        gain *= (shape[2] // 2) ** 2
    elif f'{parent}.conv_offset_mask.weight' in shapes:
        gain = DEFORMED_GAIN
    return gain / math.prod(shape[1:])
