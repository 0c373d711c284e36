"""mmcv's operators without a compiler: the same functions, in plain torch and numpy.

``mmcv-lite`` holds all of mmcv but its compiled module ``mmcv._ext``. What stands here
takes the place of that module, so that mmdet's models import, train and test with it.
It is a package of its own since mmcv asks for it in the middle of its own import, when
nothing that imports mmdet, such as ``mmdet_centernet``, can be imported.
"""
