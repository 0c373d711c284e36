"""From a folder of images with boxes to a config that trains on them.

`tools/new_config.py` is its command line. The steps, each in files of its own: which
files are there (``listing``), read them as COCO (``coco``, ``voc``,
``yolo``), split what is one set (``split``), stop at faults (``checks``), choose
settings (``settings``), write (``config_text``).
"""
