"""Evaluators that read another file than the data loader."""

import pytest
from mmengine.registry import init_default_scope

from mmdet_centernet.data_report.evaluation_findings import check_evaluators


@pytest.fixture
def findings(tmp_path):
    init_default_scope('mmdet')
    for name, text in (('val.json', '{}'), ('same.json', '{}'), ('test.json', '[]')):
        (tmp_path / name).write_text(text)

    def run(*names, **changes):
        """Findings on a validation of `val.json` with evaluators of other files."""
        dataset = dict(type='CocoDataset', data_root=str(tmp_path), ann_file='val.json')
        metrics = [
            dict(type='CocoMetric', ann_file=str(tmp_path / name)) for name in names
        ]
        cfg = dict(val_dataloader=dict(dataset=dataset), val_evaluator=metrics)
        return check_evaluators(dict(cfg, **changes))

    return run


def test_another_file(findings):
    (text,) = findings('test.json')
    assert text.startswith('val: val_evaluator reads ')
    assert 'test.json, but' in text
    assert 'val.json' in text
    (text,) = findings('val.json', 'gone.json')
    assert 'gone.json' in text


@pytest.mark.parametrize('name', ['val.json', 'same.json', './val.json'])
def test_the_same_file_or_content(findings, name):
    assert findings(name) == []


@pytest.mark.parametrize(
    'evaluator', [None, dict(type='VOCMetric'), dict(type='CocoMetric', ann_file=None)]
)
def test_metrics_without_file(findings, evaluator):
    assert findings(val_evaluator=evaluator) == []


def test_unknown_loaders_are_skipped(findings):
    assert findings('test.json', val_dataloader=None) == []
    unknown = dict(dataset=dict(type='NoDataset'))
    assert findings('test.json', val_dataloader=unknown) == []
