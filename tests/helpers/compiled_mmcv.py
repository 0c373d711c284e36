"""mmcv's functions with its compiled operators or with ours."""

from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

import mmcv
import pytest

from mmdet_centernet_operators import mmcv_ext
from mmdet_centernet_operators.stand_in import compiled_module

needs_compiled = pytest.mark.skipif(
    compiled_module(Path(mmcv.__path__[0])) is None,
    reason='this mmcv has no compiled operators; run `make test-compiled`',
)
# By name, since in mmcv.ops functions shadow the modules of the same names.
NAMES = ('deform_conv', 'focal_loss', 'modulated_deform_conv', 'nms', 'roi_align')
MODULES = [import_module(f'mmcv.ops.{name}') for name in NAMES]


@contextmanager
def our_operators():
    """Makes mmcv's functions call our operators."""
    with ExitStack() as stack:
        for module in MODULES:
            stack.enter_context(patch.object(module, 'ext_module', mmcv_ext))
        yield
