"""Converts checkpoints between the official CenterNet code and this package.

    mmdet_centernet convert-official ctdet_coco_dla_2x.pth dla34.pth
    mmdet_centernet convert-official --to-official dla34.pth model.pth

Supports detectors and human pose networks (multi_pose_dla_3x and others). The last line
of the output is the path of the config whose model loads the result strictly. If no
config has the number of classes or the branches, one is written beside the checkpoint.
On errors nothing is written.
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
# Weights with 20 classes count as Pascal VOC, for which the official code normalizes
# images differently.
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
# Head settings of human pose networks that were trained without a branch.
WITHOUT: dict[str, dict] = {
    '_no_hp_offset': dict(point_sets=dict(joint=dict(loss_offset=None))),
    '_no_hm_hp': dict(point_sets=None),
}
OLD_TORCH = (
    '\ntorch before 2.6 cannot load the training log in the file. Extract the weights '
    'of your own training: python -c "import torch; torch.save('
    "dict(state_dict=torch.load('{}')['state_dict']), 'weights.pth')\""
)
DEAD = 'official_dead'
"""Key of a converted checkpoint for tensors that only the official network has."""


def main() -> None:
    """Runs the command line."""
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
        '--to-official',
        action='store_true',
        help='convert from this package to the official names',
    )
    return parser.parse_args()


def check_target(path: Path) -> None:
    """Checks that a checkpoint and a config of the same name can be written there."""
    if path.suffix == '.py':
        raise ValueError(f'{path} is the name of a config: name the result *.pth')
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f'{path} must be a file in an existing folder')


def read(path: Path) -> dict:
    """Reads a checkpoint with a `state_dict`, without running code in the file."""
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # torch raises many types for bad files
        what = f'it cannot be read as weights. {error}'
        if not HAS_SAFE_GLOBALS and 'HistoryBuffer' in what:
            what += OLD_TORCH.format(path)
        raise ValueError(what) from error
    check_checksums(path)
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


def check_checksums(path: Path) -> None:
    """Verifies the checksums of the file: torch.load accepts flipped bits."""
    if zipfile.is_zipfile(path):  # not before torch 1.6
        with zipfile.ZipFile(path) as file:
            if damaged := file.testzip():
                raise ValueError(f'{damaged} in it is damaged: copy it again')


def check_finite(weights: dict[str, Tensor]) -> None:
    """Checks that all weights are finite; diverged training would give an AP of 0."""
    broken = [name for name, value in weights.items() if not value.isfinite().all()]
    if broken:
        raise ValueError(
            f'{len(broken)} of {len(weights)} tensors have values that are not finite, '
            f'such as {broken[0]}: take an earlier checkpoint of that training'
        )


def convert(checkpoint: dict, dst: Path) -> None:
    """Converts an official checkpoint and prints the matching config."""
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
    """Finds the config of the weights, and the head settings that differ from it."""
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
    """Splits off the suffix of the network; returns the settings that it implies."""
    for ending, lacks in WITHOUT.items():
        if network.endswith(ending):
            return network.removesuffix(ending), lacks
    return network, {}


def check_shapes(weights: dict[str, Tensor], cfg: Config) -> None:
    """Checks that the weights load strictly in the model of the config."""
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
            'some tensors have the shapes of another network.' + ''.join(wrong)
        )


def dataset_meta(cfg: Config) -> dict:
    """Returns the `dataset_meta` with names and colors of the classes, if known."""
    dataset = cfg.test_dataloader.dataset
    meta = {**DATASETS.get(dataset.type).METAINFO, **dataset.get('metainfo', {})}
    known = len(meta['classes']) == cfg.model.bbox_head.num_classes
    return dict(dataset_meta=meta) if known else {}


def derived_config(base: Path, head: dict) -> str:
    """Writes a config that changes the head of its base."""
    arguments = ', '.join(f'{key}={value}' for key, value in head.items())
    return f'_base_ = {str(base)!r}\n\nmodel = dict(bbox_head=dict({arguments}))\n'


def export(checkpoint: dict, dst: Path) -> None:
    """Converts a checkpoint of this package to the official format."""
    weights = to_official_state_dict(checkpoint['state_dict'])
    dead = checkpoint.get(DEAD, {})
    result = dict(
        epoch=checkpoint.get('meta', {}).get('epoch', 0), state_dict=weights | dead
    )
    write(result, dst)
    name = detect_architecture(weights)
    print(f'{name}: {len(weights | dead)} tensors written to {dst}')
    if not dead:
        print('They do not include tensors that the official network does not use.')


def write(checkpoint: dict, path: Path, texts: dict[Path, str] | None = None) -> None:
    """Writes a checkpoint and texts, all or none.

    Raises:
        ValueError: If a text would replace a different one.
    """
    texts = texts or {}
    for text_path, text in texts.items():
        if text_path.exists() and text_path.read_text() != text:
            raise ValueError(f'{text_path}, the name of its config, exists already')
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
