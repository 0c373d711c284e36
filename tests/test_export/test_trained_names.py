"""Exported names are in the order of the training labels."""

import json

import pytest
from mmdet.datasets import CocoDataset
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdet_centernet.export import trained_names

KEPT = ('plates', 'red', 'white')
COUNTED = ('red', 'white', 'plates')


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmdet')


@pytest.fixture
def config(tmp_path):
    """A config with data whose files list categories, or are missing (None)."""

    def make(classes=KEPT, **splits):
        loaders = {}
        for split, categories in splits.items():
            path = tmp_path / f'{split}.json'
            if categories is not None:
                listed = [dict(id=i, name=name) for i, name in enumerate(categories)]
                content = dict(images=[], annotations=[], categories=listed)
                path.write_text(json.dumps(content))
            dataset = dict(
                type='CocoDataset', ann_file=str(path), metainfo=dict(classes=classes)
            )
            loaders[f'{split}_dataloader'] = dict(dataset=dataset)
        return Config(loaders)

    return make


@pytest.mark.parametrize('kept', [KEPT, list(COUNTED), None])
def test_training_decides(kept, config):
    cfg = config(train=COUNTED, val=COUNTED, test=COUNTED)
    found = trained_names(cfg, kept)
    assert found.names == COUNTED
    assert 'train data' in found.source
    assert not found.contradictions


def test_test_data_that_are_numbered_differently(config):
    found = trained_names(config(train=COUNTED, test=KEPT), KEPT)
    assert found.names == COUNTED
    (doubt,) = found.contradictions
    assert "mmdet's test confuses the classes" in doubt


def test_without_the_training_data_those_that_its_test_went_by(config):
    found = trained_names(config(train=None, test=COUNTED), KEPT)
    assert found.names == COUNTED
    assert 'test data' in found.source


def test_a_config_without_training(config):
    assert trained_names(config(test=COUNTED), None).names == COUNTED


def test_no_file_at_all(config):
    cfg = config(train=None, val=None)
    with pytest.raises(ValueError, match=r'train\.json.*--classes plates red white'):
        trained_names(cfg, KEPT)
    with pytest.raises(ValueError, match=r'--classes NAME'):
        trained_names(Config(), None)


@pytest.mark.parametrize('kept', [('cell',), 'cell', None])
def test_one_class_needs_no_file(kept, config):
    assert trained_names(config(('cell',), train=None), kept).names == ('cell',)


def test_published_files_are_known(config):
    classes = CocoDataset.METAINFO['classes']
    assert trained_names(config(classes, train=None), classes).names == classes
    with pytest.raises(ValueError, match='--classes'):
        trained_names(config(classes, train=None), classes[::-1])


def test_xml_data_are_numbered_as_the_checkpoint_says():
    dataset = dict(type='XMLDataset', ann_file='absent', metainfo=dict(classes=COUNTED))
    cfg = Config(dict(train_dataloader=dict(dataset=dataset)))
    assert trained_names(cfg, KEPT).names == KEPT


def test_data_of_another_training(config):
    cfg = config(('cat', 'dog'), train=('dog', 'cat'))
    with pytest.raises(ValueError, match=r'has no plates, red, white.*--classes'):
        trained_names(cfg, KEPT)


def test_a_config_whose_classes_grew_after_the_training(config):
    cfg = config((*KEPT, 'new'), train=('new', *COUNTED))
    assert trained_names(cfg, KEPT).names == COUNTED


def test_a_class_without_boxes_in_the_file(config):
    assert trained_names(config(train=COUNTED[1:]), KEPT).names == (
        'white',
        'plates',
        'red',
    )
