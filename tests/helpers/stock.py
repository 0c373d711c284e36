"""Configs and models that mmdet ships, as oracles and as bodies for our head."""

from pathlib import Path

import mmdet
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

CONFIGS = Path(mmdet.__file__).parent / '.mim/configs'


def stock_config(name):
    """A config of the installed mmdet that loads no pretrained weights."""
    cfg = Config.fromfile(CONFIGS / name)
    cfg.model.backbone.pop('init_cfg', None)
    return cfg


def build_model(cfg):
    """The detector of a config, with initial weights."""
    init_default_scope('mmdet')
    model = MODELS.build(cfg.model)
    model.init_weights()
    return model
