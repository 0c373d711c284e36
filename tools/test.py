"""Tests a detector: mmdet's own test script, with every option it has."""

from importlib.util import find_spec
from pathlib import Path
from runpy import run_path

# Before mmdet, since it brings mmcv's operators where mmcv has no compiled ones.
import mmdet_centernet  # noqa: F401

if __name__ == '__main__':
    mmdet = Path(find_spec('mmdet').origin).parent
    run_path(str(mmdet / '.mim' / 'tools' / 'test.py'), run_name='__main__')
