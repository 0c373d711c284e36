"""Test-time augmentation of the paper: horizontal flip and several scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, SampleList
from mmdet.utils import OptConfigType
from mmengine.model import BaseTTAModel
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mmdet_centernet.functional.affine import image_matrix
from mmdet_centernet.models.ctdet_head import CTDetHead
from mmdet_centernet.models.postprocess import merge_scales

View = dict[str, Any]

TTA_DEFAULTS: dict[str, Any] = dict(
    nms=dict(
        type='soft_nms',
        method='gaussian',
        sigma=0.5,
        min_score=0.001,
        offset=1,  # counts the sides of boxes in whole pixels
    ),
    max_per_img=100,
)


@MODELS.register_module()
class CTDetTTAModel(BaseTTAModel):
    """Runs a CenterNet on several views of an image and merges the detections.

    Paper, section 5. Each view of the pipeline's ``TestTimeAug`` is one scale. The
    model runs on the view and on its flip, and averages heat and sizes of both before
    decoding. Boxes of several scales go through a class-wise soft NMS; boxes of a
    single scale go through the NMS of the head's ``test_cfg``, if one is set.

    The model flips the padded network input itself, so that both images cover the same
    cells. It skips views that the pipeline has flipped; these need ``flip`` or
    ``homography_matrix`` among their meta keys.

    The official soft NMS also returns stale copies of boxes that it has moved or
    removed: in a crowded test case 7 of the best 100. This model returns none.

    Args:
        module: A detector whose ``bbox_head`` is a ``CTDetHead``, or its config.
        data_preprocessor: Config that replaces the preprocessor of a ``module`` config.
        flip: Average with the flipped image.
        tta_cfg: ``nms`` configures the NMS over scales, by default Gaussian soft NMS
            with sigma 0.5 down to scores of 0.001; ``max_per_img`` (100) is the number
            of detections kept, all if not positive.

    Raises:
        TypeError: If the module has no ``CTDetHead``.
        ValueError: If ``tta_cfg`` has other keys.
    """

    def __init__(
        self,
        module: dict | nn.Module,
        data_preprocessor: dict | nn.Module | None = None,
        *,
        flip: bool = True,
        tta_cfg: OptConfigType = None,
    ) -> None:
        super().__init__(module, data_preprocessor)
        head = getattr(self.module, 'bbox_head', None)
        if not isinstance(head, CTDetHead):
            raise TypeError(
                'CTDetTTAModel averages the maps of a CTDetHead, but bbox_head of the '
                f"model is a {type(head).__name__}. Set bbox_head.type='CTDetHead', or "
                "tta_model=dict(type='DetTTAModel', ...) to merge boxes of any detector"
            )
        self.flip = flip
        self.tta_cfg = _read_tta_cfg(tta_cfg)

    def test_step(self, data: Mapping[str, Any]) -> SampleList:
        """Detects objects in a batch of images.

        Only one view is on the device at a time.

        Args:
            data: Views of a batch from the data loader: ``inputs`` and
                ``data_samples``, each a list of views, which are lists of images.

        Returns:
            One sample per image, with ``pred_instances`` in pixels of the original
            image, best first.

        Raises:
            ValueError: If there is no view to run on.
        """
        views = _unflipped_views(data)
        per_view = [self._predict(view, with_nms=len(views) == 1) for view in views]
        return self.merge_preds(list(zip(*per_view, strict=True)))

    def _predict(self, view: View, *, with_nms: bool) -> SampleList:
        """Detects objects in one view of each image."""
        batch = self.module.data_preprocessor(view, False)
        inputs, samples = batch['inputs'], batch['data_samples']
        maps = self._run(inputs, samples)
        head = self.module.bbox_head
        if self.flip:
            self._check_width(maps['heatmap'].shape[-1], inputs.shape[-1])
            flipped = self._run(inputs.flip(-1), samples)
            maps = head.coder.merge_flipped(maps, flipped)
        instances = head.predict_maps(
            maps, [sample.metainfo for sample in samples], with_nms=with_nms
        )
        return self.module.add_pred_to_datasample(samples, instances)

    def _run(self, inputs: Tensor, samples: SampleList) -> dict[str, Tensor]:
        """Returns the maps of the last stack."""
        outs = self.module(inputs, samples, mode='tensor')
        return self.module.bbox_head.name_maps(outs)

    def _check_width(self, cells: int, pixels: int) -> None:
        """Checks that the cells cover the input, else flipped cells are shifted."""
        stride = self.module.bbox_head.stride
        if cells * stride != pixels:
            raise ValueError(
                f'the network input is {pixels} pixels wide, the feature map {cells} '
                f'cells of {stride}: the map of the flipped image would be shifted. '
                'Pad the input with data_preprocessor.pad_size_divisor=32 (128 for '
                'HourglassNet), or set tta_model.flip=False'
            )

    def merge_preds(
        self, data_samples_list: Sequence[Sequence[DetDataSample]]
    ) -> SampleList:
        """Merges detections of several scales.

        Args:
            data_samples_list: For each image its samples, one per scale, with
                ``pred_instances`` in pixels of the original image.

        Returns:
            One sample per image.
        """
        merged = []
        for samples in data_samples_list:
            per_scale = [sample.pred_instances for sample in samples]
            samples[0].pred_instances = merge_scales(per_scale, **self.tta_cfg)
            merged.append(samples[0])
        return merged


def _read_tta_cfg(cfg: OptConfigType) -> dict[str, Any]:
    """Fills in defaults."""
    unknown = sorted((cfg or {}).keys() - TTA_DEFAULTS.keys())
    if unknown:
        raise ValueError(
            f'tta_cfg of CTDetTTAModel: unknown keys {", ".join(unknown)}; allowed: '
            f'{", ".join(TTA_DEFAULTS)}'
        )
    return {**TTA_DEFAULTS, **(cfg or {})}


def _unflipped_views(data: Mapping[str, Any]) -> list[View]:
    """Returns the views of a batch that are not flipped, each as a batch."""
    if isinstance(data['data_samples'][0], BaseDataElement):
        raise ValueError(
            'the batch has images, not views of images: end tta_pipeline with '
            "dict(type='TestTimeAug', transforms=[...])"
        )
    views = [
        dict(inputs=inputs, data_samples=samples)
        for inputs, samples in zip(data['inputs'], data['data_samples'], strict=True)
        if not any(_is_flipped(sample.metainfo) for sample in samples)
    ]
    if not views:
        raise ValueError(
            'tta_pipeline flips every view, but CTDetTTAModel flips views itself: '
            'leave RandomFlip out of TestTimeAug, or add one with prob=0'
        )
    return views


def _is_flipped(meta: Mapping[str, Any]) -> bool:
    """Returns whether the pipeline has flipped the image."""
    if not meta.get('flip', False):
        return bool(image_matrix(meta)[0, 0] < 0)
    if meta.get('flip_direction', 'horizontal') != 'horizontal':
        raise ValueError(
            f'tta_pipeline flips an image, {meta["flip_direction"]}: CTDetTTAModel can '
            'only average an image and its horizontal flip. Leave RandomFlip out of '
            'TestTimeAug'
        )
    return True
