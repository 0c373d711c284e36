import pytest
from torch import nn

from helpers.heads import make_head
from mmdet_centernet.models import CTDetHead
from mmdet_centernet.models.find_detectors import find_detector_cfg, find_detectors

HEADS = ['CTDetHead', 'mmdet_centernet.models.CTDetHead', CTDetHead]


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.bbox_head = make_head(num_classes=1)


def test_detectors_are_found_inside_wrappers():
    detector = Detector()
    assert find_detectors(detector) == [detector]
    teacher_and_student = nn.ModuleList([Detector(), nn.Sequential(detector)])
    assert find_detectors(teacher_and_student)[1:] == [detector]


def test_find_detectors_names_a_model_without_the_head():
    with pytest.raises(ValueError, match='Linear has no bbox_head of type CTDetHead'):
        find_detectors(nn.Linear(1, 1))


@pytest.mark.parametrize('head', HEADS)
def test_configs_are_found_inside_wrappers(head):
    detector = dict(type='CenterNet', bbox_head=dict(type=head))
    assert find_detector_cfg(detector) is detector
    assert find_detector_cfg(dict(type='SemiBaseDetector', detector=detector)) == (
        detector
    )


@pytest.mark.parametrize('head', ['CenterNetHead', 'Unknown', None])
def test_configs_with_other_heads(head):
    assert find_detector_cfg(dict(bbox_head=dict(type=head))) is None
    assert find_detector_cfg(dict(bbox_head=None)) is None
