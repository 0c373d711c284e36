"""Properties in the results of the inferencer, against mmdet's own."""

import json

import pytest
import torch
from mmdet.apis import DetInferencer
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmdet_centernet.apis import CTDetInferencer

PROPERTIES = dict(
    angles=[30.0, 90.0], keypoints=[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]
)


def make(inferencer_type):
    """An inferencer without a model, which `pred2dict` does not use."""
    inferencer = object.__new__(inferencer_type)
    inferencer.num_predicted_imgs = 7
    return inferencer


def detections(meta):
    sample = DetDataSample(metainfo=meta)
    sample.pred_instances = InstanceData(
        labels=torch.tensor([1, 0]),
        scores=torch.tensor([0.75, 0.5]),
        bboxes=torch.tensor([[0.0, 1, 2, 3], [4.0, 5, 6, 7]]),
        **{key: torch.tensor(values) for key, values in PROPERTIES.items()},
    )
    return sample


@pytest.mark.parametrize('meta', [dict(img_path='folder/a.b.jpg'), {}])
def test_files_and_results_are_mmdets_with_properties(tmp_path, meta):
    stock, ours = (
        make(kind).pred2dict(detections(meta), str(tmp_path / kind.__name__))
        for kind in (DetInferencer, CTDetInferencer)
    )
    assert ours == stock | PROPERTIES
    (path,) = (tmp_path / 'DetInferencer').rglob('*.json')
    twin = tmp_path / 'CTDetInferencer' / path.relative_to(tmp_path / 'DetInferencer')
    assert json.loads(twin.read_text()) == json.loads(path.read_text()) | PROPERTIES


def test_numbered_files_do_not_overwrite_each_other(tmp_path):
    inferencer = make(CTDetInferencer)
    for _ in range(2):
        inferencer.pred2dict(detections({}), str(tmp_path))
    assert {path.name for path in tmp_path.rglob('*.json')} == {'7.json', '8.json'}


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert make(CTDetInferencer).pred2dict(detections({}))['angles'] == [30, 90]
    assert not any(tmp_path.iterdir())
