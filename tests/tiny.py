"""A few drawn images, and shipped configs cut down to run on them within seconds."""

import json
from pathlib import Path

import cv2
import numpy as np
from mmdet.datasets import CocoDataset, VOCDataset
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


def tiny_pictures(num_classes=2, num_images=4):
    """Yields names, pictures of two coloured shapes, and their x, y, side, label."""
    random = np.random.default_rng(0)
    for index in range(num_images):
        canvas = random.integers(0, 80, (IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)
        shapes = []
        for corner in ((4, 4), (36, 36)):
            x, y = (int(c + random.integers(0, 8)) for c in corner)
            side = int(random.integers(12, 18))
            cv2.rectangle(canvas, (x, y), (x + side, y + side), (200, 220, 90), -1)
            shapes.append((x, y, side, (2 * index + len(shapes)) % num_classes))
        yield f'{index:06}', canvas, shapes


def write_tiny_coco(folder, classes=('square', 'disc'), num_images=4):
    """Writes `images/` and `annotations.json`."""
    (folder / 'images').mkdir(parents=True)
    images, annotations = [], []
    for name, canvas, shapes in tiny_pictures(len(classes), num_images):
        image_id = len(images)
        for x, y, side, label in shapes:
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image_id,
                    category_id=label + 1,
                    bbox=[x, y, side, side],
                    area=side * side,
                    iscrowd=0,
                )
            )
        cv2.imwrite(str(folder / 'images' / f'{name}.jpg'), canvas)
        images.append(
            dict(
                id=image_id,
                file_name=f'{name}.jpg',
                width=IMAGE_SIZE,
                height=IMAGE_SIZE,
            )
        )
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(classes)]
    (folder / 'annotations.json').write_text(
        json.dumps(dict(images=images, annotations=annotations, categories=categories))
    )


def write_tiny_voc(folder, classes=VOCDataset.METAINFO['classes']):
    """Writes `VOC2007/` and `VOC2012/`, the latter with a picture without objects."""
    for year in ('VOC2007', 'VOC2012'):
        for part in ('JPEGImages', 'Annotations', 'ImageSets/Main'):
            (folder / year / part).mkdir(parents=True)
        names = []
        for name, canvas, shapes in tiny_pictures(len(classes)):
            if year == 'VOC2012' and not names:
                shapes = []
            names.append(name)
            cv2.imwrite(str(folder / year / f'JPEGImages/{name}.jpg'), canvas)
            (folder / year / f'Annotations/{name}.xml').write_text(
                _voc_xml(shapes, classes)
            )
        for split in ('trainval', 'test'):
            (folder / year / f'ImageSets/Main/{split}.txt').write_text('\n'.join(names))


def _voc_xml(shapes, classes):
    objects = ''.join(
        f'<object><name>{classes[label]}</name><difficult>0</difficult><bndbox>'
        f'<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>'
        f'<xmax>{x + side + 1}</xmax><ymax>{y + side + 1}</ymax></bndbox></object>'
        for x, y, side, label in shapes
    )
    size = f'<width>{IMAGE_SIZE}</width><height>{IMAGE_SIZE}</height>'
    return f'<annotation><size>{size}</size>{objects}</annotation>'


def shrink(cfg, folder):
    """Makes `cfg` train one epoch on drawn images in `folder`, then validate on them.

    Losses, optimiser, hooks and the kinds of transforms stay as they are, and the
    network, unless it is an hourglass: 191 million parameters train for minutes.
    """
    if cfg.model.backbone.type == 'HourglassNet':
        cfg.model.backbone.update(stage_channels=(16,) * 6, feat_channel=16)
        cfg.model.bbox_head.in_channels = 16
    write_data_of(next(_innermost(cfg.train_dataloader.dataset)), folder)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        for dataset in _innermost(loader.dataset):
            _use(dataset, folder)
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        if evaluator.type == 'CocoMetric':
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


def write_data_of(dataset, folder):
    """Writes drawn images as a dataset of that type would read them."""
    if dataset.type == 'VOCDataset':
        write_tiny_voc(folder)
    else:
        all_classes = CocoDataset.METAINFO['classes']
        classes = dataset.get('metainfo', {}).get('classes', all_classes)
        write_tiny_coco(folder, classes)


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
