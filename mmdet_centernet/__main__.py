"""Runs the command ``mmdet_centernet`` as ``python -m mmdet_centernet``."""

from mmdet_centernet_cli import main

main()
