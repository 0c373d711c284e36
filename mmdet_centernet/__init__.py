"""CenterNet ("Objects as Points", arXiv 1904.07850) as a plugin of MMDetection 3.x.

A config only has to import the package:

    custom_imports = dict(imports=['mmdet_centernet'], allow_failed_imports=False)
"""

from mmdet_centernet.environment import check_versions, load_operators
from mmdet_centernet.version import __version__

# Before anything imports mmdet, whose own errors do not say how to fix them.
check_versions()
load_operators()

from mmdet_centernet import (  # noqa: E402
    codecs,
    datasets,
    evaluation,
    hooks,
    models,
    optim_wrapper,
    transforms,
    visualization,
)
from mmdet_centernet.checkpoint import allow_mmengine_checkpoints  # noqa: E402

allow_mmengine_checkpoints()

__all__ = [
    '__version__',
    'codecs',
    'datasets',
    'evaluation',
    'hooks',
    'models',
    'optim_wrapper',
    'transforms',
    'visualization',
]
