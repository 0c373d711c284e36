"""Names in label order equal those of mmdet's datasets."""

import json

import pytest
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from mmdet_centernet.label_names import label_names, numbered_names

CATEGORIES = ('red', 'white', 'plates')
IDS = (7, 2, 5)  # not sorted: mmdet uses the order of the file


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmdet')


@pytest.fixture
def coco(tmp_path):
    """Writes a file of one image with a box of each category; returns its config."""

    def write(classes, categories=CATEGORIES, ids=IDS, name='train.json', **cfg):
        box = dict(image_id=1, bbox=[0, 0, 9, 9], area=81, iscrowd=0)
        content = dict(
            images=[dict(id=1, file_name='1.png', width=20, height=20)],
            annotations=[
                dict(box, id=number, category_id=category)
                for number, category in enumerate(ids)
            ],
            categories=[
                dict(id=category, name=text)
                for category, text in zip(ids, categories, strict=True)
            ],
        )
        (tmp_path / name).write_text(json.dumps(content))
        return dict(
            dict(
                type='CocoDataset',
                ann_file=str(tmp_path / name),
                metainfo=dict(classes=classes),
                pipeline=[],
            ),
            **cfg,
        )

    return write


def names_in_training(cfg, categories):
    """Names of the boxes of each label in the dataset."""
    lazily = dict(cfg, lazy_init=True, data_prefix=dict(img=''))
    (image,) = DATASETS.build(lazily).load_data_list()
    boxes = image['instances']  # one of each category, in the order of the file
    pairs = zip(boxes, categories, strict=True)
    labels = {box['bbox_label']: name for box, name in pairs}
    return tuple(labels[label] for label in sorted(labels))


@pytest.mark.parametrize('kind', ['CocoDataset', 'Objects365V1Dataset'])
@pytest.mark.parametrize(
    'classes', [CATEGORIES, ('plates', 'red', 'white'), ('white', 'red', 'plates')]
)
def test_names_equal_those_in_training(kind, classes, coco):
    cfg = coco(classes, type=kind)
    assert label_names(cfg) == names_in_training(cfg, CATEGORIES)


def test_left_out_classes_get_no_label(coco):
    assert label_names(coco(('plates', 'red'))) == ('red', 'plates')


def test_classes_absent_from_the_file_come_last(coco):
    cfg = coco(('extra', 'plates', 'red'))
    assert label_names(cfg) == ('red', 'plates', 'extra')
    assert numbered_names(cfg) == ('red', 'plates')


def test_subclass_with_its_own_label_order(coco):
    @DATASETS.register_module()
    class BackwardsDataset(CocoDataset):
        def load_data_list(self):
            super().load_data_list()
            self.cat2label = {c: i for i, c in enumerate(reversed(self.cat_ids))}

    try:
        cfg = coco(CATEGORIES, type='BackwardsDataset')
        assert label_names(cfg) == CATEGORIES[::-1]
    finally:
        DATASETS.module_dict.pop('BackwardsDataset')


@pytest.mark.parametrize('kind', ['XMLDataset', 'VOCDataset'])
def test_xml_datasets_use_the_order_of_the_config(kind):
    cfg = dict(type=kind, ann_file='VOC2007/absent', metainfo=dict(classes=('b', 'a')))
    assert label_names(cfg) == ('b', 'a')


def test_wrappers(coco):
    inner = coco(('plates', 'red', 'white'))
    wrapped = dict(
        type='MultiImageMixDataset',
        dataset=dict(
            type='ConcatDataset',
            datasets=[
                dict(type='RepeatDataset', times=2, dataset=inner),
                dict(type='ClassBalancedDataset', oversample_thr=0.1, dataset=inner),
            ],
        ),
        pipeline=[],
    )
    assert label_names(wrapped) == CATEGORIES


def test_files_with_different_orders_are_refused(coco):
    one = coco(CATEGORIES)
    other = coco(CATEGORIES, ('white', 'red', 'plates'), name='more.json')
    with pytest.raises(ValueError, match=r'more\.json numbers .* same order'):
        label_names(dict(type='ConcatDataset', datasets=[one, other]))


def test_file_without_the_last_classes_is_accepted(coco):
    few = coco(CATEGORIES, CATEGORIES[:2], IDS[:2], name='few.json')
    both = dict(type='ConcatDataset', datasets=[few, coco(CATEGORIES)])
    assert label_names(both) == CATEGORIES


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('\ufeff{"categories": []}', 'not JSON in UTF-8'),
        ('{', 'not JSON in UTF-8'),
        ('[]', 'no list of categories'),
        ('{}', 'no list of categories'),
        ('{"categories": {"1": "red"}}', 'no list of categories'),
        ('{"categories": [{"id": 1}]}', 'no list of categories'),
        ('{"categories": [{"id": [], "name": "red"}]}', 'no list of categories'),
        (
            '{"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}',
            'two categories with the same id',
        ),
    ],
)
def test_other_files_are_refused(text, words, coco, tmp_path):
    cfg = coco(CATEGORIES)
    (tmp_path / 'train.json').write_text(text, encoding='utf-8')
    with pytest.raises(ValueError, match=rf'train\.json .*{words}'):
        label_names(cfg)


def test_missing_file(coco, tmp_path):
    cfg = coco(CATEGORIES)
    (tmp_path / 'train.json').unlink()
    with pytest.raises(OSError, match=r'train\.json'):
        label_names(cfg)


def test_nothing_is_printed(coco, capsys):
    label_names(coco(CATEGORIES))
    assert not capsys.readouterr().out
