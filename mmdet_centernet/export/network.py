"""Network of the exported graph: detector, decoding and optional normalization."""

from __future__ import annotations

import copy
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from mmdet_centernet.codecs import Detections
from mmdet_centernet.export.deform_conv import replace_deform_convs
from mmdet_centernet.models.ctdet_head import CTDetHead
from mmdet_centernet.models.preprocessing import read_preprocessing


class ExportNetwork(nn.Module):
    """A traceable detector, from its input to boxes in pixels of the input.

    The test pipeline and the thresholds of ``test_cfg`` are not included.

    Args:
        detector: A detector whose ``bbox_head`` is a ``CTDetHead``. It is copied.
        normalize: Include the normalization: the inputs are uint8 images as OpenCV
            reads them, else outputs of the data preprocessor.
        flip: Average with the flipped image, as ``CTDetTTAModel`` does.
        grid_sample: Compute deformable convolutions with ``grid_sample``.

    Raises:
        TypeError: If the detector has no ``CTDetHead``.
        ValueError: If its ``test_cfg`` has an NMS.
    """

    def __init__(
        self,
        detector: nn.Module,
        *,
        normalize: bool = False,
        flip: bool = False,
        grid_sample: bool = False,
    ) -> None:
        super().__init__()
        _check_head(getattr(detector, 'bbox_head', None))
        self.detector = copy.deepcopy(detector).eval()
        self.head: Any = self.detector.bbox_head
        self.preprocessor: Any = self.detector.data_preprocessor
        num_replaced = replace_deform_convs(self.detector, grid_sample=grid_sample)
        self.has_deform_conv = num_replaced > 0 and not grid_sample
        self.normalize = normalize
        self.flip = flip

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs: detections, then properties."""
        keys = [prop.key for prop in self.head.properties.values()]
        return [*Detections._fields, *keys]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Detects objects.

        Args:
            images: (B, 3, H, W) float32, normalized; with ``normalize`` (B, H, W, 3)
                uint8 in B, G, R. They are padded below and right to the divisor of the
                data preprocessor.

        Returns:
            ``Detections``, boxes in pixels of the images, followed by
            (B, K, row_shape...) of each property of the head.
        """
        images = self._pad(self._normalize(images) if self.normalize else images)
        maps = self._maps(images)
        if self.flip:
            maps = self._merge_flipped(maps, images)
        found, values = self.head.coder.decode(maps)
        return (*found, *values.values()) if values else found

    def _merge_flipped(
        self, maps: dict[str, Tensor], images: Tensor
    ) -> dict[str, Tensor]:
        return self.head.coder.merge_flipped(maps, self._maps(images.flip(-1)))

    def _maps(self, images: Tensor) -> dict[str, Tensor]:
        """Computes the maps of the last stack."""
        return self.head.name_maps(self.detector(images, mode='tensor'))

    def _normalize(self, images: Tensor) -> Tensor:
        """Normalizes a batch as mmengine's ``ImgDataPreprocessor`` does."""
        settings = read_preprocessing(self.preprocessor)
        pixels = images.permute(0, 3, 1, 2)
        if settings.reverses_channels:
            pixels = pixels.flip(1)
        pixels = pixels.float()
        if settings.mean is None or settings.std is None:
            return pixels
        return (pixels - settings.mean) / settings.std

    def _pad(self, images: Tensor) -> Tensor:
        settings = read_preprocessing(self.preprocessor)
        divisor = settings.pad_size_divisor
        if divisor == 1:
            return images
        height, width = images.shape[-2:]
        below, right = -height % divisor, -width % divisor
        return F.pad(images, (0, right, 0, below), value=settings.pad_value)


def _check_head(head: nn.Module | None) -> None:
    if not isinstance(head, CTDetHead):
        raise TypeError(
            f'only a CTDetHead can be exported, but bbox_head is a '
            f"{type(head).__name__}. Set bbox_head.type='CTDetHead' in the config: it "
            "takes the weights of mmdet's CenterNetHead"
        )
    if head.test_settings['nms'] is not None:
        raise ValueError(
            'test_cfg.nms cannot be exported: the graph has no NMS. Set '
            'test_cfg.nms=None'
        )
