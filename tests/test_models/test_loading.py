"""What mmengine makes of checkpoints that do not fit, as `docs/reliability.md` says."""

import logging

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.runner import load_checkpoint

from helpers.tiny import load_config


def detector(num_classes=2):
    """A narrow network of a shipped config."""
    cfg = load_config('ctdet_r18-half-fpn_1xb16-4e_digits')
    cfg.model.bbox_head.num_classes = num_classes
    torch.manual_seed(num_classes)
    return MODELS.build(cfg.model)


@pytest.fixture
def load(tmp_path, caplog):
    """Loads weights into a detector; returns it with what was logged."""

    def run(weights, **kwargs):
        torch.save(dict(state_dict=weights), tmp_path / 'weights.pth')
        ours = detector()
        logger = logging.getLogger('loading')
        with caplog.at_level(logging.WARNING):
            load_checkpoint(
                ours, str(tmp_path / 'weights.pth'), 'cpu', logger=logger, **kwargs
            )
        return ours.state_dict(), caplog.text

    return run


def test_another_number_of_classes_loads_all_but_the_last_layer(load):
    other = detector(num_classes=5).state_dict()
    loaded, log = load(other)
    last = {f'bbox_head.heatmap_head.2.{name}' for name in ('weight', 'bias')}
    fresh = {key for key in loaded if not torch.equal(loaded[key], other[key])}
    assert fresh == last
    assert all(key in log for key in last)
    assert 'size mismatch' in log


def test_unexpected_and_missing_keys_are_reported(load):
    weights = detector().state_dict()
    lost = weights.pop('bbox_head.wh_head.2.bias')
    _, log = load(weights | {'bbox_head.other': lost})
    assert 'unexpected key in source state_dict: bbox_head.other' in log
    assert 'missing keys in source state_dict: bbox_head.wh_head.2.bias' in log


def test_strictly_they_are_refused(load):
    with pytest.raises(RuntimeError, match='size mismatch'):
        load(detector(num_classes=5).state_dict(), strict=True)


def test_truncated_files_are_refused(tmp_path):
    path = tmp_path / 'weights.pth'
    torch.save(dict(state_dict=detector().state_dict()), path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(RuntimeError, match='failed'):
        load_checkpoint(detector(), str(path), 'cpu')
