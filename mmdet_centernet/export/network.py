"""What the exported graph computes: from an image to objects."""

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
    """A detector from its input to boxes in pixels of the input, fit for tracing.

    What a pipeline did to the image before, and the thresholds of ``test_cfg``, stay
    outside.

    Args:
        detector: A detector whose ``bbox_head`` is a ``CTDetHead``. It is copied.
        normalize: Normalise the colours, too: the input are uint8 images as OpenCV
            reads them, else what the data preprocessor would give.
        flip: Average with the mirror image, as ``CTDetTTAModel`` does.
        grid_sample: Compute deformable convolutions by ``grid_sample``.

    Raises:
        TypeError: If the detector has no ``CTDetHead``.
        ValueError: If its ``test_cfg`` asks for an NMS.
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
        """Names of the outputs, in order: of detections, then of properties."""
        keys = [prop.key for prop in self.head.properties.values()]
        return [*Detections._fields, *keys]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Detect objects.

        Args:
            images: (B, 3, H, W) float32, normalised; or (B, H, W, 3) uint8 in the order
                blue, green, red, where the network normalises by itself. Below and
                right they are padded to what the data preprocessor pads to.

        Returns:
            ``Detections``, boxes in pixels of the images; where the head has
            properties, followed by (B, K, row_shape...) of each.
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
        """The maps of the last stack."""
        return self.head.name_maps(self.detector(images, mode='tensor'))

    def _normalize(self, images: Tensor) -> Tensor:
        """As mmengine's ``ImgDataPreprocessor`` does, for a whole batch."""
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
            f'only a CTDetHead can be exported, and bbox_head is a '
            f"{type(head).__name__}. Set bbox_head.type='CTDetHead' in the config: it "
            "takes the weights of mmdet's CenterNetHead"
        )
    if head.test_settings['nms'] is not None:
        raise ValueError(
            'test_cfg.nms is not exported: the graph ends with the peaks. Set '
            'test_cfg.nms=None'
        )
