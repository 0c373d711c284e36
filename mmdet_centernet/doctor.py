"""Runs the doctor as ``python -m mmdet_centernet.doctor``, its name until 0.2."""

import sys

from mmdet_centernet_doctor.__main__ import main

if __name__ == '__main__':
    sys.exit(main())
