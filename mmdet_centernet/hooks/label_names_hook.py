"""Names of classes in the order of the labels, in checkpoints and pictures."""

from __future__ import annotations

import logging
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import BaseLoop, Runner

from mmdet_centernet.label_names import label_names
from mmdet_centernet.reason import reason

SPLITS = ('train', 'val', 'test')


@HOOKS.register_module()
class LabelNamesHook(Hook):
    """Puts the classes of datasets into the order in which mmdet numbers them.

    Of a COCO file that is the order of its ``categories``, whatever the order in
    ``metainfo`` is. mmdet itself writes metainfo's order into checkpoints, from which
    ``DetInferencer`` takes the names of boxes, and names boxes on the pictures of a
    test by it. With this hook both have the true names. Labels, losses and metrics stay
    as they are: mmdet looks classes up in the file by their names, not their places.

    The order is read from the file each time, so that nothing is turned round twice.
    Belongs into ``default_hooks``, which configs add to, while ``custom_hooks`` of a
    config replace those of another.
    """

    def before_run(self, runner: Runner) -> None:
        """Rename before a checkpoint is loaded, which mmengine compares with."""
        if not is_main_process():  # it alone saves, draws and evaluates
            return
        for split in SPLITS:
            loop = getattr(runner, f'_{split}_loop', None)  # the property builds it
            if isinstance(loop, BaseLoop):
                self._rename(runner, split, loop)

    def _rename(self, runner: Runner, split: str, loop: BaseLoop) -> None:
        """Rename the classes of a dataset, and for those who got a copy of them."""
        dataset = loop.dataloader.dataset
        try:
            names = label_names(runner.cfg[f'{split}_dataloader']['dataset'])
            changed = put_in_order(dataset._metainfo, names)
        except Exception as error:  # built without a config, or of an unknown format
            print_log(
                f'the classes of the {split} data keep the order of metainfo, which '
                f'may not be that of the labels: {reason(error)}',
                logger='current',
                level=logging.WARNING,
            )
            return
        if changed:
            runner.visualizer.dataset_meta = dataset.metainfo
            if hasattr(loop, 'evaluator'):
                loop.evaluator.dataset_meta = dataset.metainfo


def put_in_order(metainfo: dict[str, Any], names: tuple[str, ...]) -> bool:
    """Put classes, and the colours of their boxes, into another order.

    Args:
        metainfo: Of a dataset; changed where it has the same classes in another order.
        names: The classes in the order of the labels.

    Returns:
        Whether it was changed.
    """
    classes, palette = metainfo.get('classes'), metainfo.get('palette')
    if not isinstance(classes, list | tuple) or sorted(classes) != sorted(names):
        return False
    if tuple(classes) == names:
        return False
    if isinstance(palette, list | tuple) and len(palette) == len(classes):
        colors = [palette[classes.index(name)] for name in names]
        metainfo['palette'] = type(palette)(colors)
    metainfo['classes'] = type(classes)(names)
    return True
