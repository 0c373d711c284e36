"""The official networks for human pose, and their golden vectors as our tensors."""

import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope

from helpers.official_networks import official_shapes
from helpers.shared_data import load_golden
from helpers.tiny import load_config

NUM_JOINTS = 17
CONFIGS = dict(
    pose_dla_34='ctpose_dla34-dcnv2_8xb16-official-140e_coco',
    pose_hourglass='ctpose_hourglass104_4xb6-official-50e_coco',
)
# Branches that an official network can be trained without.
ENDINGS = {'': (), '_no_hp_offset': ('hp_offset',), '_no_hm_hp': ('hm_hp', 'hp_offset')}
NETWORKS = [f'{network}{ending}' for network in CONFIGS for ending in ENDINGS]
JOINT_BRANCHES = dict(hps=34, hm_hp=17, hp_offset=2)
IMAGE_WIDTH = 512
FLIPPED = ('train',)
PREDICTED = dict(hm=1, wh=2, hps=34, reg=2, hm_hp=17, hp_offset=2)


def official_pose_shapes(name):
    """Keys and shapes of one of `NETWORKS`."""
    network, ending = _split(name)
    if network == 'pose_dla_34':
        shapes = official_shapes(network)
    else:
        shapes = _hourglass_shapes()
    left_out = tuple(f'{branch}.' for branch in ENDINGS[ending])
    return {k: v for k, v in shapes.items() if not k.startswith(left_out)}


def our_pose_network(name):
    """Our counterpart of one of `NETWORKS`, from its config."""
    network, ending = _split(name)
    cfg = load_config(CONFIGS[network])
    if ending == '_no_hp_offset':
        cfg.model.bbox_head.point_sets.joint.loss_offset = None
    if ending == '_no_hm_hp':
        cfg.model.bbox_head.point_sets = None
    init_default_scope('mmdet')
    return MODELS.build(cfg.model).eval()


def _split(name):
    (network,) = (known for known in CONFIGS if name.startswith(known))
    return network, name.removeprefix(network)


def _hourglass_shapes():
    """Those of the detector with one class, and branches of the same form for joints.

    There is no golden vector for this network.
    """
    shapes = official_shapes('hourglass')
    branches = dict(hm=1, **JOINT_BRANCHES)
    for key in [key for key in shapes if key.startswith('hm.')]:
        inner, channels = shapes[key], shapes[key][0]
        for branch, count in branches.items():
            is_last = channels == 80
            shape = [count if is_last else channels, *inner[1:]]
            shapes[f'{branch}.{key.removeprefix("hm.")}'] = shape
    return shapes


def golden_people(case):
    """Boxes (N, 4) and joints (N, 17, 2; nan: not labeled) in cells, in float32."""
    golden = load_golden('pose')
    boxes = golden[f'{case}__ann_bbox_xywh'].copy()
    boxes[:, 2:] += boxes[:, :2]
    joints = golden[f'{case}__ann_keypoints']
    joints = np.where(joints[..., 2:] > 0, joints[..., :2], np.nan)
    if case in FLIPPED:
        boxes[:, [2, 0]] = IMAGE_WIDTH - 1 - boxes[:, [0, 2]]
        joints[..., 0] = IMAGE_WIDTH - 1 - joints[..., 0]
        for left, right in golden['flip_idx']:
            joints[:, [left, right]] = joints[:, [right, left]]
    corners = moved(boxes.reshape(-1, 2), golden[f'{case}__trans_output'])
    joints = moved(joints, golden[f'{case}__trans_output_rot'])
    return torch.tensor(corners.reshape(-1, 4)).float(), torch.tensor(joints).float()


def moved(points, matrix):
    return points @ matrix[:, :2].T + matrix[:, 2]


def golden_heatmap(case, name):
    """A heatmap that the vectors store sparsely."""
    golden = load_golden('pose')
    heatmap = np.zeros(golden[f'{case}__{name}_shape'], np.float32)
    heatmap.flat[golden[f'{case}__{name}_idx']] = golden[f'{case}__{name}_val']
    return torch.tensor(heatmap)


def golden_decoder_maps(case):
    """The maps that were decoded, by their official names; heatmaps are logits."""
    golden = load_golden('pose')
    generator = np.random.Generator(np.random.PCG64(int(golden[f'{case}__seed'])))
    batch, height, width = golden[f'{case}__shape_b_h_w']

    def draw(kind, one, other, channels):
        values = getattr(generator, kind)(one, other, (batch, channels, height, width))
        return torch.tensor(values, dtype=torch.float32)

    return dict(
        hm=draw('normal', -3, 1.5, 1),
        wh=draw('uniform', 8, 30, 2),
        hps=draw('normal', 0, 5, 34),
        reg=draw('uniform', 0, 1, 2),
        hm_hp=draw('normal', -3, 1.6, 17),
        hp_offset=draw('uniform', 0, 1, 2),
    )


def golden_predictions(case):
    """The maps whose losses were measured, by their official names."""
    golden = load_golden('pose')
    generator = np.random.Generator(np.random.PCG64(int(golden[f'{case}__pred_seed'])))
    maps = {}
    for name, mean, std in zip(
        *(golden[f'{case}__pred_{what}'] for what in ('order', 'mean', 'std')),
        strict=True,
    ):
        values = generator.normal(mean, std, (2, PREDICTED[name], 24, 24))
        maps[str(name)] = torch.tensor(values, dtype=torch.float32)
    return maps
