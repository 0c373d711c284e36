"""Converts a checkpoint of the official CenterNet code, or one of ours back.

    mmdet_centernet convert-official ctdet_coco_dla_2x.pth dla34.pth
    mmdet_centernet convert-official --to-official dla34.pth model.pth

Knows the detectors, and the networks for human pose (multi_pose_dla_3x and the like).
The last line printed is the path of the config in which the result loads strictly. For
a number of classes or branches that no config here has, one is written beside the
checkpoint. Nothing is written when anything is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
import zipfile
from pathlib import Path

from mmdet_centernet.checkpoint import HAS_SAFE_GLOBALS
from mmdet_centernet.converters import (
    convert_official_state_dict,
    dead_tensors,
    detect_architecture,
    to_official_state_dict,
)

import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
COCO = {
    'res_18': 'ctdet/ctdet_r18_6xb19-official-140e_coco.py',
    'resdcn_18': 'ctdet/ctdet_r18-dcnv2_6xb19-official-140e_coco.py',
    'resdcn_101': 'ctdet/ctdet_r101-dcnv2_8xb12-official-140e_coco.py',
    'dla_34': 'ctdet/ctdet_dla34-dcnv2_8xb16-official-140e_coco.py',
    'hourglass': 'ctdet/ctdet_hourglass104_4xb6-official-50e_coco.py',
}
# Weights with 20 classes are taken for those of Pascal VOC, whose colours the official
# code normalises differently.
VOC = {
    'resdcn_18': 'ctdet/ctdet_r18-dcnv2_1xb32-official512-70e_voc0712.py',
    'resdcn_101': 'ctdet/ctdet_r101-dcnv2_4xb8-official512-70e_voc0712.py',
    'dla_34': 'ctdet/ctdet_dla34-dcnv2_2xb16-official512-70e_voc0712.py',
}
NUM_VOC_CLASSES = 20
POSE = {
    'pose_dla_34': 'ctpose/ctpose_dla34-dcnv2_8xb16-official-140e_coco.py',
    'pose_hourglass': 'ctpose/ctpose_hourglass104_4xb6-official-50e_coco.py',
}
# What the head of networks for human pose lacks that were trained without a branch.
WITHOUT: dict[str, dict] = {
    '_no_hp_offset': dict(point_sets=dict(joint=dict(loss_offset=None))),
    '_no_hm_hp': dict(point_sets=None),
}
OLD_TORCH = (
    '\nBefore 2.6 torch cannot be told that the log of a training is harmless. Take '
    'the weights of your own training out of it: python -c "import torch; torch.save('
    "dict(state_dict=torch.load('{}')['state_dict']), 'weights.pth')\""
)
DEAD = 'official_dead'
"""Where a converted checkpoint keeps what only the official network has."""


def main() -> None:
    """Converts as the command line says."""
    args = parse_args()
    try:
        check_target(args.dst)
        checkpoint = read(args.src)
        (export if args.to_official else convert)(checkpoint, args.dst)
    except (OSError, ValueError) as error:
        sys.exit(f'{args.src} was not converted: {error}')


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', type=Path, help='checkpoint to read')
    parser.add_argument('dst', type=Path, help='checkpoint to write')
    parser.add_argument(
        '--to-official', action='store_true', help='from ours to the official naming'
    )
    return parser.parse_args()


def check_target(path: Path) -> None:
    """A checkpoint can be written there, beside a config of the same name."""
    if path.suffix == '.py':
        raise ValueError(f'{path} is the name of a config: call the result *.pth')
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f'{path} has to be a file in a folder that exists')


def read(path: Path) -> dict:
    """A checkpoint with its weights in `state_dict`; no code of the file is run."""
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # torch has no common one for what is in bad files
        what = f'it cannot be read as weights. {error}'
        if not HAS_SAFE_GLOBALS and 'HistoryBuffer' in what:
            what += OLD_TORCH.format(path)
        raise ValueError(what) from error
    check_whole(path)
    if not isinstance(checkpoint, dict):
        raise ValueError(f'it holds a {type(checkpoint).__name__}, not a dict')
    if 'state_dict' not in checkpoint:
        checkpoint = dict(state_dict=checkpoint)
    if not all(
        isinstance(value, Tensor) for value in checkpoint['state_dict'].values()
    ):
        raise ValueError('it is neither a state dict nor a dict with a state_dict')
    check_finite(checkpoint['state_dict'])
    return checkpoint


def check_whole(path: Path) -> None:
    """A bit that fell over gives another weight; torch writes checksums, no more."""
    if zipfile.is_zipfile(path):  # before torch 1.6 files were none
        with zipfile.ZipFile(path) as file:
            if damaged := file.testzip():
                raise ValueError(f'{damaged} in it is damaged: copy it once more')


def check_finite(weights: dict[str, Tensor]) -> None:
    """Weights that training has lost would only show as an AP of 0."""
    broken = [name for name, value in weights.items() if not value.isfinite().all()]
    if broken:
        raise ValueError(
            f'{len(broken)} of {len(weights)} tensors have values that are not finite, '
            f'such as {broken[0]}: take an earlier checkpoint of that training'
        )


def convert(checkpoint: dict, dst: Path) -> None:
    """Writes an official checkpoint under our names and says which config fits."""
    official = checkpoint['state_dict']
    weights = convert_official_state_dict(official)
    network = detect_architecture(official)
    cfg, overrides = find_config(network, weights)
    check_shapes(weights, cfg)
    dead = dead_tensors(official)
    meta = dict(epoch=checkpoint.get('epoch', 0), **dataset_meta(cfg))
    result = dict(
        meta=meta,
        state_dict=weights,
        **{DEAD: {key: value for key, (value, _) in dead.items()}},
    )
    config = Path(cfg.filename)
    texts = {}
    if overrides:
        text = derived_config(config, overrides)
        config = dst.absolute().with_suffix('.py')
        texts[config] = text
    write(result, dst, texts)
    print(f'{network}: {len(weights)} tensors written to {dst}')
    for key, (_, reason) in dead.items():
        print(f'dropped {key}: {reason}')
    print(config)


def find_config(network: str, weights: dict[str, Tensor]) -> tuple[Config, dict]:
    """The config for the weights, and what the head of its file has otherwise."""
    biases = [
        len(value)
        for key, value in weights.items()
        if key.startswith('bbox_head.heatmap_head.') and key.endswith('bias')
    ]
    head = dict(feat_channels=biases[0], num_classes=biases[-1])
    configs = COCO | VOC if head['num_classes'] == NUM_VOC_CLASSES else COCO
    network, lacks = split_ending(network)
    cfg = Config.fromfile(CONFIGS / (configs | POSE)[network])
    overrides = {k: v for k, v in head.items() if cfg.model.bbox_head[k] != v} | lacks
    cfg.merge_from_dict(dict(model=dict(bbox_head=overrides)))
    return cfg, overrides


def split_ending(network: str) -> tuple[str, dict]:
    """The network that has a config, and what differs in the head of this one."""
    for ending, lacks in WITHOUT.items():
        if network.endswith(ending):
            return network.removesuffix(ending), lacks
    return network, {}


def check_shapes(weights: dict[str, Tensor], cfg: Config) -> None:
    """The weights have to load strictly in the model of the config."""
    init_default_scope('mmdet')
    with torch.device('meta'):  # shapes without memory
        model = MODELS.build(cfg.model)
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in weights.items()}
    wrong = [
        f'\n  {key}: {found.get(key)} instead of {expected.get(key)}'
        for key in expected | found
        if found.get(key) != expected.get(key)
    ]
    if wrong:
        raise ValueError(
            'some tensors have shapes of another network.' + ''.join(wrong)
        )


def dataset_meta(cfg: Config) -> dict:
    """Names and colours of the classes for mmdet to draw by, where they are known."""
    dataset = cfg.test_dataloader.dataset
    meta = {**DATASETS.get(dataset.type).METAINFO, **dataset.get('metainfo', {})}
    known = len(meta['classes']) == cfg.model.bbox_head.num_classes
    return dict(dataset_meta=meta) if known else {}


def derived_config(base: Path, head: dict) -> str:
    """A config that differs from its base in the head."""
    arguments = ', '.join(f'{key}={value}' for key, value in head.items())
    return f'_base_ = {str(base)!r}\n\nmodel = dict(bbox_head=dict({arguments}))\n'


def export(checkpoint: dict, dst: Path) -> None:
    """Writes one of our checkpoints as the official code would."""
    weights = to_official_state_dict(checkpoint['state_dict'])
    dead = checkpoint.get(DEAD, {})
    result = dict(
        epoch=checkpoint.get('meta', {}).get('epoch', 0), state_dict=weights | dead
    )
    write(result, dst)
    name = detect_architecture(weights)
    print(f'{name}: {len(weights | dead)} tensors written to {dst}')
    if not dead:
        print('Tensors that the official network never uses are not among them.')


def write(checkpoint: dict, path: Path, texts: dict[Path, str] | None = None) -> None:
    """Writes a checkpoint and texts: all of them, or none.

    Raises:
        ValueError: If a text would replace another one.
    """
    texts = texts or {}
    for text_path, text in texts.items():
        if text_path.exists() and text_path.read_text() != text:
            raise ValueError(f'{text_path}, where its config belongs, exists already')
    parts = {
        target: target.with_name(target.name + '.part') for target in (path, *texts)
    }
    try:
        torch.save(checkpoint, parts[path])
        for text_path, text in texts.items():
            parts[text_path].write_text(text)
        for target, part in parts.items():
            os.replace(part, target)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


if __name__ == '__main__':
    main()
