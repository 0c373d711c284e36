"""Visualizer that draws the properties of objects.

Legend: N objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmdet.registry import VISUALIZERS
from mmdet.structures.bbox import get_box_tensor
from mmdet.utils import ConfigType
from mmdet.visualization import DetLocalVisualizer
from mmdet.visualization.palette import get_palette
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer

from mmdet_centernet.codecs.properties import build_properties
from mmdet_centernet.visualization.draw_properties import Skeleton, draw_properties


@VISUALIZERS.register_module()
class CTDetLocalVisualizer(DetLocalVisualizer):
    """``DetLocalVisualizer`` that also draws the properties of objects.

    With it ``--show-dir``, ``DetVisualizationHook`` and ``DetInferencer`` draw the
    properties of ground truth and detections in the color of the class, see
    :func:`draw_properties`.

    Args:
        name: See ``DetLocalVisualizer``.
        properties: Configs of the head's properties, by name.
        skeleton: Pairs of keypoints, counted from 0, to connect by lines. By default
            the ``skeleton`` of ``dataset_meta``, which ``CocoPropertyDataset`` reads
            from the annotation file and mmengine saves in checkpoints.
        kwargs: See ``DetLocalVisualizer``.

    Raises:
        ValueError: If two properties have the same key.
    """

    def __init__(
        self,
        name: str = 'visualizer',
        *,
        properties: Mapping[str, ConfigType],
        skeleton: Skeleton | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self.properties = build_properties(properties)
        self.skeleton = skeleton

    def _draw_instances(
        self,
        image: np.ndarray,
        instances: InstanceData,
        classes: Sequence[str] | None,
        palette: Sequence[tuple] | str | None,
    ) -> np.ndarray:
        """Draws ground truth or detections, see ``DetLocalVisualizer``."""
        drawn = super()._draw_instances(image, instances, classes, palette)
        if 'bboxes' not in instances or 'labels' not in instances:
            return drawn  # a test set without ground truth
        boxes = get_box_tensor(instances.bboxes).detach().cpu().numpy()
        labels = instances.labels.cpu().numpy()
        values = field_values(instances, [p.key for p in self.properties.values()])
        box_palette = palette if self.bbox_color is None else self.bbox_color
        count = int(max(labels, default=0)) + 1
        colors, text_colors = (
            get_palette(one, count) for one in (box_palette, self.text_color)
        )
        for label in np.unique(labels):
            chosen = labels == label
            draw_properties(
                self,
                boxes[chosen],
                {key: rows[chosen] for key, rows in values.items()},
                self.properties,
                colors[label],
                skeleton_of(self),
                text_color=text_colors[label],
            )
        return self.get_image()


def field_values(instances: InstanceData, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """Returns fields of objects as arrays on the host.

    Args:
        instances: Ground truth or detections.
        keys: Names of fields; missing fields are left out.

    Returns:
        (N, ...) by key.
    """
    present = [key for key in keys if key in instances]
    return {key: instances[key].detach().cpu().numpy() for key in present}


def skeleton_of(visualizer: Visualizer) -> Skeleton:
    """Returns the skeleton from the visualizer's config, else from its dataset."""
    chosen = getattr(visualizer, 'skeleton', None)
    meta = visualizer.dataset_meta or {}
    return meta.get('skeleton') or () if chosen is None else chosen
