"""mmcv's compiled operators in plain torch and numpy.

``mmcv-lite`` lacks mmcv's compiled module ``mmcv._ext``. This package replaces it, so
that mmdet's models import, train and test. It is separate from ``mmdet_centernet``
because mmcv imports it during its own import, when mmdet cannot be imported yet.
"""
