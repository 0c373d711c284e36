"""Networks with DCNv2 layers: in plain torch, and by mmcv's compiled operator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmdet_centernet_operators.stand_in import compiled_module, mmcv_folder
from networks import TrainingStep, draw_data, prediction

from mmdet.models import BaseDetector
from mmdet.registry import MODELS
from mmengine.config import Config

CONFIGS = Path(__file__).resolve().parents[2] / 'configs/ctdet'
NETWORKS = {
    'ResNet-18-DCN': 'ctdet_r18-dcnv2_6xb19-official-140e_coco.py',
    'DLA-34-DCN': 'ctdet_dla34-dcnv2_8xb16-official-230e_coco.py',
}


def mmcv_is_compiled() -> bool:
    """Whether there is an operator to compare with."""
    folder = mmcv_folder()
    return folder is not None and compiled_module(folder) is not None


def dcn_runs(
    network: str, images: int, device: str, *, train: bool
) -> dict[str, Callable]:
    """A step of training, or a prediction, by each operator with the same weights."""
    data = draw_data(images)
    make = TrainingStep if train else prediction
    models = _build(network)
    return {name: make(model.to(device), data) for name, model in models.items()}


def _build(network: str) -> dict[str, BaseDetector]:
    cfg = Config.fromfile(CONFIGS / NETWORKS[network]).model
    cfg.backbone.pop('init_cfg', None)
    models = {}
    for name, torch_dcn in (('ours', True), ('stock', False)):
        cfg.neck.torch_dcn = torch_dcn
        models[name] = MODELS.build(cfg)
    models['stock'].load_state_dict(models['ours'].state_dict())
    return models
