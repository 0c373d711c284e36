"""Networks, head, loss and test-time augmentation, registered with mmdet."""

from .ctdet_head import CTDetHead
from .ctdet_tta import CTDetTTAModel
from .deconv_neck import DeconvNeck
from .dla import DLANet
from .dla_up import DLAUp
from .finest_fpn import FinestFPN
from .gaussian_focal_loss import GaussianFocalLossWithLogits
from .torch_dcn import TorchDCNv2

__all__ = [
    'CTDetHead',
    'CTDetTTAModel',
    'DLANet',
    'DLAUp',
    'DeconvNeck',
    'FinestFPN',
    'GaussianFocalLossWithLogits',
    'TorchDCNv2',
]
