"""mmdet's inferencer with the properties of objects in its results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mmengine
from mmdet.apis import DetInferencer
from mmdet.structures import DetDataSample
from torch import Tensor


class CTDetInferencer(DetInferencer):
    """``DetInferencer`` that returns and writes the properties of detections.

    The arguments are mmdet's, whose class keeps labels, scores, boxes and masks only.
    """

    def pred2dict(
        self, data_sample: DetDataSample, pred_out_dir: str = ''
    ) -> dict[str, Any]:
        """Converts the detections of an image to basic Python types.

        Args:
            data_sample: Prediction for one image, in its pixels.
            pred_out_dir: Folder for ``preds/IMAGE.json``; empty to write no file.

        Returns:
            ``labels``, ``scores``, ``bboxes`` and each property by its key, one entry
            per detection.
        """
        result = super().pred2dict(data_sample)
        for key, values in data_sample.pred_instances.items():
            if key not in result and isinstance(values, Tensor):
                result[key] = values.cpu().tolist()
        if pred_out_dir:
            mmengine.dump(result, self._json_path(data_sample, pred_out_dir))
        return result

    def _json_path(self, data_sample: DetDataSample, pred_out_dir: str) -> str:
        """The path that mmdet uses: named after the image file, or numbered."""
        if 'img_path' in data_sample:
            name = Path(data_sample.img_path).stem
        else:
            name = str(self.num_predicted_imgs)
            self.num_predicted_imgs += 1
        return str(Path(pred_out_dir, 'preds', f'{name}.json'))
