"""A training step and a prediction with both heads on the same network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

from clock import elapsed
from heads import Workload, draw_batch

import mmdet
import numpy as np
import torch
from mmdet.models import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config

STOCK_CONFIGS = Path(mmdet.__file__).parent / '.mim/configs/centernet'
NETWORKS = {
    'ResNet-18': 'centernet_r18_8xb16-crop512-140e_coco.py',
    'ResNet-18-DCN': 'centernet_r18-dcnv2_8xb16-crop512-140e_coco.py',
}
CLASSES = 80
CELLS = 128
OBJECTS_PER_IMAGE = 7


def build_detectors(network: str, device: str) -> dict[str, BaseDetector]:
    """Builds the stock detector, and one with our head and the same weights."""
    cfg = Config.fromfile(STOCK_CONFIGS / NETWORKS[network]).model
    cfg.backbone.pop('init_cfg')
    stock = MODELS.build(cfg)
    stock.init_weights()
    cfg = copy.deepcopy(cfg)
    cfg.bbox_head.type = 'CTDetHead'
    cfg.bbox_head.pop('loss_center_heatmap')
    ours = MODELS.build(cfg)
    ours.load_state_dict(stock.state_dict())
    return dict(ours=ours.to(device), stock=stock.to(device))


def draw_data(images: int, *, classes: int = CLASSES, cells: int = CELLS) -> dict:
    """Draws a batch in the form of mmdet's data loader: noise with boxes."""
    load = Workload(
        images=images,
        classes=classes,
        cells=cells,
        objects=images * OBJECTS_PER_IMAGE,
    )
    batch = draw_batch(load)
    rng = np.random.default_rng(0)
    side = batch.metas[0]['img_shape'][0]
    samples = [
        DetDataSample(
            metainfo=dict(
                img_shape=(side, side),
                ori_shape=(side, side),
                scale_factor=(1.0, 1.0),
                border=np.zeros(4, dtype=np.float32),
            ),
            gt_instances=gt,
        )
        for gt in batch.gt
    ]
    pixels = rng.integers(256, size=(images, 3, side, side), dtype=np.uint8)
    return dict(inputs=list(torch.from_numpy(pixels)), data_samples=samples)


def train_runs(network: str, images: int, device: str) -> dict[str, Callable]:
    """Returns training steps with SGD, from uint8 images to updated weights."""
    data = draw_data(images)
    return {
        name: TrainingStep(model, data)
        for name, model in build_detectors(network, device).items()
    }


class TrainingStep:
    """One training step, as a whole or by stages."""

    def __init__(self, model: BaseDetector, data: dict) -> None:
        self.model = model.train()
        self.data = data
        # No step: weights stay, so that every run has the same work.
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.0)

    def __call__(self) -> None:
        """Runs all stages."""
        for stage in self._stages().values():
            stage()

    def shares(self) -> dict[str, float]:
        """Returns the seconds of each stage."""
        return {name: elapsed(stage) for name, stage in self._stages().items()}

    def _stages(self) -> dict[str, Callable[[], None]]:
        """Returns the stages in order; later ones read earlier results from `made`."""
        made: dict = {}
        head = self.model.bbox_head

        def prepare() -> None:
            made.update(self.model.data_preprocessor(self.data, training=True))

        def extract() -> None:
            made['feats'] = self.model.extract_feat(made['inputs'])

        def branch() -> None:
            made['maps'] = head(made['feats'])

        def learn() -> None:
            samples = made['data_samples']
            gt = [sample.gt_instances for sample in samples]
            metas = [sample.metainfo for sample in samples]
            made['losses'] = head.loss_by_feat(*made['maps'], gt, metas)

        def backward() -> None:
            sum(made['losses'].values()).backward()

        def update() -> None:
            self.optimizer.step()
            self.optimizer.zero_grad()

        return {
            'normalization': prepare,
            'backbone and neck': extract,
            'branches': branch,
            'targets and losses': learn,
            'backward': backward,
            'optimizer': update,
        }


def predict_runs(network: str, images: int, device: str) -> dict[str, Callable]:
    """Returns predictions, from uint8 images to boxes."""
    data = draw_data(images)
    return {
        name: prediction(model, data)
        for name, model in build_detectors(network, device).items()
    }


def prediction(model: BaseDetector, data: dict) -> Callable[[], object]:
    """Returns a prediction of one detector."""
    model.eval()

    def run() -> object:
        # A copy: predictions are written into the samples.
        return model.test_step(copy.deepcopy(data))

    return torch.no_grad()(run)
