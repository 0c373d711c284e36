"""Options that make training on a CPU faster, on a step of the small fast recipe."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from mmdet_centernet.hooks import ChannelsLastHook
from networks import draw_data

import torch
from mmdet.models import BaseDetector
from mmdet.registry import MODELS, OPTIM_WRAPPERS
from mmengine.config import Config

CONFIG = (
    Path(__file__).resolve().parents[2]
    / 'configs/ctdet/ctdet_cspnext-tiny-fast_1xb4-12e_bccd.py'
)
IMAGES = 8
CELLS = 72
"""Of a map: images of 288 x 288 have as many pixels as the recipe's 320 x 256."""


def option_runs() -> dict[str, Callable[[], object]]:
    """Returns a training step by the names of its options; weights are the same."""
    cfg = Config.fromfile(CONFIG).model
    data = draw_data(IMAGES, classes=cfg.bbox_head.num_classes, cells=CELLS)
    model = MODELS.build(cfg)
    model.init_weights()
    runs = {}
    for bfloat16, channels_last in itertools.product((False, True), repeat=2):
        names = ['channels_last'] * channels_last + ['bfloat16'] * bfloat16
        runs[', '.join(names) or 'no option'] = _step(
            copy.deepcopy(model), data, channels_last=channels_last, bfloat16=bfloat16
        )
    return runs


def _step(
    model: BaseDetector, data: dict, *, channels_last: bool, bfloat16: bool
) -> Callable[[], object]:
    """Returns a step with mmengine's own parts; a learning rate of 0 repeats it."""
    wrapper = OPTIM_WRAPPERS.build(
        dict(
            type='CPUAmpOptimWrapper' if bfloat16 else 'OptimWrapper',
            optimizer=torch.optim.AdamW(model.parameters(), lr=0.0),
        )
    )
    if channels_last:
        ChannelsLastHook().before_train(SimpleNamespace(model=model))
    model.train()
    return lambda: model.train_step(copy.deepcopy(data), wrapper)
