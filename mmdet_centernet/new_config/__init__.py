"""Writes a training config for a folder of images with boxes.

`tools/new_config.py` is the command line; ``make`` runs the steps: list the files
(``listing``), read COCO, VOC or YOLO boxes as COCO (``coco``, ``voc``, ``yolo``), split
train and val (``split``), check the data (``checks``, ``skeleton``), choose settings
(``settings``, ``choices``), explain them (``explain``) and write the config
(``config_text``, ``template``).
"""
