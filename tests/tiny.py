"""A few drawn images, and shipped configs cut down to run on them within seconds."""

import json
from pathlib import Path

import cv2
import numpy as np
from mmdet.datasets import CocoDataset
from mmengine.config import Config

REPO = Path(__file__).parents[1]
CONFIGS = REPO / 'configs'
IMAGE_SIZE = 64


def config_paths():
    """All shipped configs that name a model of their own to train."""
    return sorted(p for p in CONFIGS.rglob('*.py') if '_base_' not in p.parts)


def load_config(name):
    """A shipped config by its name, without the weights that it would download."""
    (path,) = CONFIGS.rglob(f'{name}.py')
    cfg = Config.fromfile(path)
    cfg.model.backbone.pop('init_cfg', None)
    return cfg


def write_tiny_coco(folder, classes=('square', 'disc'), num_images=4):
    """Writes `images/` and `annotations.json`: two coloured shapes an image."""
    random = np.random.default_rng(0)
    (folder / 'images').mkdir(parents=True)
    images, annotations = [], []
    for image_id in range(num_images):
        canvas = random.integers(0, 80, (IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
        for corner in ((4, 4), (36, 36)):
            x, y = (int(c + random.integers(0, 8)) for c in corner)
            side = int(random.integers(12, 18))
            cv2.rectangle(canvas, (x, y), (x + side, y + side), (200, 220, 90), -1)
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image_id,
                    category_id=len(annotations) % len(classes) + 1,
                    bbox=[x, y, side, side],
                    area=side * side,
                    iscrowd=0,
                )
            )
        name = f'{image_id:06}.jpg'
        cv2.imwrite(str(folder / 'images' / name), canvas)
        images.append(
            dict(id=image_id, file_name=name, width=IMAGE_SIZE, height=IMAGE_SIZE)
        )
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(classes)]
    (folder / 'annotations.json').write_text(
        json.dumps(dict(images=images, annotations=annotations, categories=categories))
    )


def shrink(cfg, folder):
    """Makes `cfg` train one epoch on drawn images in `folder`, then validate on them.

    Losses, optimiser, hooks and the kinds of transforms stay as they are, and the
    network, unless it is an hourglass: 191 million parameters train for minutes.
    """
    if cfg.model.backbone.type == 'HourglassNet':
        cfg.model.backbone.update(stage_channels=(16,) * 6, feat_channel=16)
        cfg.model.bbox_head.in_channels = 16
    classes = (
        _innermost(cfg.train_dataloader.dataset)
        .get('metainfo', {})
        .get('classes', CocoDataset.METAINFO['classes'])
    )
    write_tiny_coco(folder, classes)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        _use(_innermost(loader.dataset), folder)
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator.ann_file = str(folder / 'annotations.json')
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


def _innermost(dataset):
    while 'dataset' in dataset:
        dataset.times = 1
        dataset = dataset.dataset
    return dataset


def _use(dataset, folder):
    dataset.update(
        data_root=str(folder),
        ann_file='annotations.json',
        data_prefix=dict(img='images/'),
        filter_cfg=None,
    )
    for transform in dataset.pipeline:
        for size in ('scale', 'crop_size', 'size'):
            if size in transform:
                transform[size] = (IMAGE_SIZE, IMAGE_SIZE)
