"""CenterNet ("Objects as Points", arXiv 1904.07850) as a plugin of MMDetection 3.x.

Importing the package is all that a config needs:

    custom_imports = dict(imports=['mmdet_centernet'], allow_failed_imports=False)
"""

from mmdet_centernet.environment import (
    check_versions,
    doctor_is_called,
    load_operators,
)
from mmdet_centernet.version import __version__

if not doctor_is_called():
    # Before anything that imports mmdet, whose own errors don't say what mends them.
    check_versions()
    load_operators()

    from mmdet_centernet import (
        codecs,
        datasets,
        evaluation,
        hooks,
        models,
        transforms,
        visualization,
    )
    from mmdet_centernet.checkpoint import allow_mmengine_checkpoints

    allow_mmengine_checkpoints()

__all__ = [
    '__version__',
    'codecs',
    'datasets',
    'evaluation',
    'hooks',
    'models',
    'transforms',
    'visualization',
]
