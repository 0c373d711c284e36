"""Shipped configs cut down to run on a few small images within seconds."""

import json
from pathlib import Path

import numpy as np
from mmdet.datasets import CocoDataset, VOCDataset
from mmengine.config import Config

from helpers.images import IMAGE_SIZE, draw_images, write_coco, write_voc
from mmdet_centernet.codecs.properties import properties_by_key

REPO = Path(__file__).parents[2]
CONFIGS = REPO / 'configs'


def config_paths():
    """All shipped configs that name a model of their own to train."""
    return sorted(p for p in CONFIGS.rglob('*.py') if '_base_' not in p.parts)


def load_config(name):
    """A shipped config by its name, without the weights that it would download."""
    (path,) = CONFIGS.rglob(f'{name}.py')
    cfg = Config.fromfile(path)
    cfg.model.backbone.pop('init_cfg', None)
    return cfg


def shrink(cfg, folder, make_images=draw_images):
    """Makes `cfg` train one epoch on images in `folder`, then validate on them.

    The images are made for the classes of the dataset, and drawn by default. Losses,
    optimizer, hooks and the kinds of transforms stay as they are, and the network,
    unless it is an hourglass: 191 million parameters train for minutes.
    """
    if cfg.model.backbone.type == 'HourglassNet':
        cfg.model.backbone.update(stage_channels=(16,) * 6, feat_channel=16)
        cfg.model.bbox_head.in_channels = 16
    trained = next(_innermost(cfg.train_dataloader.dataset))
    write_data_of(trained, folder, make_images)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        for dataset in _innermost(loader.dataset):
            _use(dataset, folder)
    for evaluator in (*_listed(cfg.val_evaluator), *_listed(cfg.test_evaluator)):
        if 'ann_file' in evaluator:
            evaluator.ann_file = str(folder / 'annotations.json')
    for step in cfg.get('tta_pipeline', []):
        _make_small(step)
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1, val_interval=1)
    cfg.default_hooks.logger.interval = 1
    cfg.work_dir = str(folder / 'work_dir')
    cfg.randomness = dict(seed=0)
    cfg.env_cfg.dist_cfg.backend = 'gloo'
    return cfg


def tiny_config(folder):
    """A config file of a narrow network on drawn images, made from a shipped config."""
    cfg = load_config('ctdet_r18-fpn_1xb8-24e_bccd')
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.metainfo.classes = ('square', 'disc')
    cfg.model.bbox_head.num_classes = 2
    cfg.model.backbone.base_channels = 8
    cfg.model.neck.in_channels = [8, 16, 32, 64]
    path = folder / 'tiny.py'
    shrink(cfg, folder).dump(path)
    return path


def write_data_of(dataset, folder, make_images):
    """Writes images as a dataset of that type would read them."""
    if dataset.type == 'VOCDataset':
        write_voc(folder, make_images(VOCDataset.METAINFO['classes']))
    else:
        all_classes = CocoDataset.METAINFO['classes']
        classes = dataset.get('metainfo', {}).get('classes', all_classes)
        write_coco(folder, make_images(classes), classes)
    if 'properties' in dataset:
        _label_properties(folder / 'annotations.json', dataset.properties)


def _label_properties(path, configs):
    """Gives objects made-up values of properties; points lie in their boxes."""
    random = np.random.default_rng(0)
    coco = json.loads(path.read_text())
    for annotation in coco['annotations']:
        x, y, width, height = annotation['bbox']
        for key, prop in properties_by_key(configs).items():
            values = random.uniform(0.1, 0.9, prop.row_shape)
            if type(prop).__name__ == 'KeypointsProperty':
                points = values * (width, height) + (x, y)
                values = np.insert(points, 2, 2, axis=1).ravel()
                annotation['num_keypoints'] = len(points)
            annotation[key] = values.tolist()
    path.write_text(json.dumps(coco))


def _listed(one_or_more):
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]


def _innermost(dataset):
    """The datasets that read files."""
    if 'times' in dataset:
        dataset.times = 1
    if not dataset.keys() & {'dataset', 'datasets'}:
        yield dataset
    for inner in (*dataset.get('datasets', ()), dataset.get('dataset')):
        if inner is not None:
            yield from _innermost(inner)


def _use(dataset, folder):
    dataset.data_root = str(folder)
    if dataset.type != 'VOCDataset':
        dataset.update(
            ann_file='annotations.json',
            data_prefix=dict(img='images/'),
            filter_cfg=None,
        )
    for step in dataset.pipeline:
        _make_small(step)


def _make_small(step):
    for size in ('scale', 'crop_size', 'size'):
        if isinstance(step.get(size), (list, tuple)):
            step[size] = (IMAGE_SIZE, IMAGE_SIZE)
    for choices in step.get('transforms', ()):
        for choice in choices:
            _make_small(choice)
