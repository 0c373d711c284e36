"""From a folder of photos with boxes to a config that trains on them.

`tools/new_config.py` is its command line. The steps, each in files of its own: which
files are there (``listing``, ``kinds``), read them as COCO (``coco``, ``voc``,
``yolo``), split what is one set (``splitting``), stop at faults (``checks``), choose
settings (``choices``), write (``config_text``).
"""
