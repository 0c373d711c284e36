"""Runs the command ``mmdet_centernet`` as ``python -m mmdet_centernet``.

Python imports the package first, which takes seconds and fails in a broken environment.
For ``doctor``, ``operators`` and ``predict``, use the installed command or
``python -m mmdet_centernet_cli``.
"""

from mmdet_centernet_cli import main

main()
