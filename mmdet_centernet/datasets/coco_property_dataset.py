"""A COCO dataset that also reads properties of objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmdet.utils import ConfigType

from mmdet_centernet.codecs.properties import properties_by_key


@DATASETS.register_module()
class CocoPropertyDataset(CocoDataset):
    """A COCO dataset that also reads properties from annotations.

    ``properties`` of each instance holds the values by the key of the property, which
    is also the name of the field in the file. A missing or null field is unlabeled. The
    ``skeleton`` of a category, pairs of its keypoints, is copied to ``metainfo``,
    counted from 0, unless ``metainfo`` has one.

    Args:
        args: See ``CocoDataset``.
        properties: Configs of the head's properties by name.
        kwargs: See ``CocoDataset``.

    Raises:
        ValueError: If a value has another type or length or is out of range, or a field
            is missing in all annotations.
    """

    def __init__(
        self, *args: Any, properties: Mapping[str, ConfigType], **kwargs: Any
    ) -> None:
        self.properties = properties_by_key(properties)
        self._seen_fields: set[str] = set()
        self._skeleton_read = False
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Loads the file, see ``CocoDataset``.

        Raises:
            ValueError: See the class.
        """
        self._seen_fields.clear()
        self._skeleton_read = False
        data_list = super().load_data_list()
        missing = sorted(self.properties.keys() - self._seen_fields)
        if self._seen_fields and missing:
            raise ValueError(
                f'{self.ann_file}: no annotation has the fields {missing}, which are '
                f'keys of properties; the fields are {sorted(self._seen_fields)}'
            )
        return data_list

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """Reads an image and its annotations, see ``CocoDataset``.

        Raises:
            ValueError: If the value of a property cannot be read.
        """
        if not self._skeleton_read:  # CocoDataset deletes self.coco after loading
            self._skeleton_read = True
            self._read_skeleton()
        info = super().parse_data_info({**raw_data_info, 'raw_ann_info': []})
        # One at a time, since CocoDataset skips some without reporting which.
        for annotation in raw_data_info['raw_ann_info']:
            self._seen_fields |= annotation.keys()
            single = {**raw_data_info, 'raw_ann_info': [annotation]}
            for instance in super().parse_data_info(single)['instances']:
                instance['properties'] = self._read(annotation)
                info['instances'].append(instance)
        return info

    def _read_skeleton(self) -> None:
        """Copies the skeleton, the pairs of keypoints to connect, to ``metainfo``."""
        for category in self.coco.load_cats(self.cat_ids):
            pairs = category.get('skeleton')
            if pairs:
                # COCO counts from 1, some files from 0.
                first = min(1, *map(min, pairs))
                skeleton = tuple(tuple(n - first for n in pair) for pair in pairs)
                self._metainfo.setdefault('skeleton', skeleton)

    def _read(self, annotation: dict) -> dict[str, np.ndarray]:
        """Reads the values of one object by key."""
        values = {}
        for key, prop in self.properties.items():
            try:
                values[key] = prop.read(annotation.get(key))
            except ValueError as error:
                raise ValueError(
                    f'{self.ann_file}: {key!r} of the annotation with id '
                    f'{annotation.get("id")!r} is invalid for {type(prop).__name__}: '
                    f'{error}'
                ) from error
        return values
