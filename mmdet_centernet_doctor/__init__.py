"""The command ``mmdet_centernet doctor``: checks what this environment can run.

A package of its own that imports neither mmdet_centernet nor mmdet, so that it starts
where these cannot be imported.
"""
