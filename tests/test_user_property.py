"""The example property of docs/properties.md works as the page describes."""

import re

import numpy as np
import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from helpers.heads import make_head
from helpers.properties import BOXES, compose, raw_sample
from helpers.tiny import REPO

PAGE = (REPO / 'docs/properties.md').read_text()
BLOCKS = re.findall(r'^```python\n(.*?)^```', PAGE, re.DOTALL | re.MULTILINE)
CONFIGS = dict(shape=dict(type='EllipseProperty', key='moments'))


@pytest.fixture(scope='module', autouse=True)
def ellipse(tmp_path_factory):
    """The file of the page, imported as `custom_imports` does."""
    (code,) = (block for block in BLOCKS if 'EllipseProperty' in block)
    folder = tmp_path_factory.mktemp('user')
    (folder / 'ellipse_of_the_docs.py').write_text(code)
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(folder)
    import_modules_from_strings(['ellipse_of_the_docs'])
    yield code
    TASK_UTILS.module_dict.pop('EllipseProperty')
    patch.undo()


def test_it_has_about_25_lines(ellipse):
    assert len([line for line in ellipse.splitlines() if line]) <= 28


def moments(points):
    """xx, xy, yy of a cloud of points around their middle."""
    (xx, xy), (_, yy) = np.cov(np.asarray(points).T, bias=True)
    return np.array([xx, xy, yy])


def test_it_follows_the_image():
    prop = TASK_UTILS.build(dict(CONFIGS['shape']))
    random = np.random.default_rng(0)
    points = random.normal(size=(40, 2)) @ random.normal(size=(2, 2))
    values = torch.tensor(moments(points))[None]
    for matrix in ([[2, 0.3], [-0.5, 1]], [[-1, 0], [0, 1]], [[0, 1], [1, 0]]):
        whole = torch.eye(3, dtype=torch.float64)
        whole[:2, :2] = torch.tensor(matrix)
        expected = moments(points @ np.array(matrix).T)
        found = prop.transform(values, whole)
        np.testing.assert_allclose(found[0], expected)
        batch = prop.transform(values[None], whole[None])
        np.testing.assert_allclose(batch[0, 0], expected)
    flipped = prop.transform(values, torch.diag(torch.tensor([-1.0, 1, 1])))
    assert torch.equal(prop.flip(flipped[..., None, None])[..., 0, 0], values)
    with pytest.raises(ValueError, match='not the moments of an ellipse'):
        prop.read([1, 2, 1])
    assert np.isnan(prop.read(None)).all()


def make_sample(*steps):
    raw = raw_sample()
    for instance in raw['instances']:
        instance['properties'] = dict(moments=np.array([90, 30, 50], np.float32))
    load = (
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='LoadProperties', properties=CONFIGS),
    )
    return compose(*load, *steps, dict(type='PackPropertyInputs'))(raw)['data_samples']


def test_it_is_learned():
    sample = make_sample(dict(type='RandomFlip', prob=1.0))
    assert sample.gt_instances.moments[:, 1].tolist() == [-30] * len(BOXES)
    head = make_head(properties=CONFIGS)
    sample.set_metainfo(dict(batch_input_shape=(128, 160), pad_shape=(128, 160)))
    plain = DetDataSample(metainfo=sample.metainfo)
    plain.gt_instances = sample.gt_instances.clone()
    plain.gt_instances.bboxes = sample.gt_instances.bboxes.tensor
    losses = head.loss((torch.randn(1, 8, 32, 40),), [plain])
    assert losses['loss_shape'] > 0
    losses['loss_shape'].backward()
    assert head.shape_head[-1].weight.grad.abs().max() > 0


def test_configs_of_the_page_are_whole(tmp_path):
    configs = [block for block in BLOCKS if block.startswith('properties')]
    assert len(configs) == 2
    for number, text in enumerate(configs):
        path = tmp_path / f'config_{number}.py'
        path.write_text(text)
        cfg = Config.fromfile(path)
        for config in cfg.properties.values():
            TASK_UTILS.build(config)
    cfg = Config.fromfile(tmp_path / 'config_0.py')
    assert cfg.model.bbox_head.properties == cfg.properties
    raw = raw_sample()
    for instance in raw['instances']:
        instance['properties'] = dict(angles=1.0, distances=2.0)
    for pipeline in (cfg.train_pipeline, cfg.test_pipeline):
        sample = compose(*pipeline[1:])({**raw})['data_samples']
        assert len(sample.gt_instances.angles) == len(BOXES)
