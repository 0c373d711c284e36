"""Evaluators that measure on another file than the one that is tested."""

import pytest
from mmengine.registry import init_default_scope

from mmdet_centernet.data_report.evaluation import check_evaluators


@pytest.fixture
def said(tmp_path):
    init_default_scope('mmdet')
    for name, text in (('val.json', '{}'), ('same.json', '{}'), ('test.json', '[]')):
        (tmp_path / name).write_text(text)

    def say(*names, **changes):
        """What is said of a validation of `val.json` measured on other files."""
        dataset = dict(type='CocoDataset', data_root=str(tmp_path), ann_file='val.json')
        metrics = [
            dict(type='CocoMetric', ann_file=str(tmp_path / name)) for name in names
        ]
        cfg = dict(val_dataloader=dict(dataset=dataset), val_evaluator=metrics)
        return check_evaluators(dict(cfg, **changes))

    return say


def test_another_file(said):
    (text,) = said('test.json')
    assert text.startswith('val: val_evaluator reads ')
    assert 'test.json, but' in text
    assert 'val.json' in text
    (text,) = said('val.json', 'gone.json')
    assert 'gone.json' in text


@pytest.mark.parametrize('name', ['val.json', 'same.json', './val.json'])
def test_the_same_file_or_content(said, name):
    assert said(name) == []


@pytest.mark.parametrize(
    'evaluator', [None, dict(type='VOCMetric'), dict(type='CocoMetric', ann_file=None)]
)
def test_metrics_that_name_no_file(said, evaluator):
    assert said(val_evaluator=evaluator) == []


def test_what_is_not_known(said):
    assert said('test.json', val_dataloader=None) == []
    unknown = dict(dataset=dict(type='NoDataset'))
    assert said('test.json', val_dataloader=unknown) == []
