"""``python -m mmdet_centernet`` is the command ``mmdet_centernet``."""

from mmdet_centernet_cli import main

main()
