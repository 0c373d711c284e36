"""Trains a detector with mmdet's training script and its options."""

from importlib.util import find_spec
from pathlib import Path
from runpy import run_path

# Before mmdet: provides mmcv's operators if mmcv has no compiled ones.
import mmdet_centernet  # noqa: F401

if __name__ == '__main__':
    mmdet = Path(find_spec('mmdet').origin).parent
    run_path(str(mmdet / '.mim' / 'tools' / 'train.py'), run_name='__main__')
