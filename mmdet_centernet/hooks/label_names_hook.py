"""Hook that puts class names into label order in checkpoints and visualizations."""

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

    ``CocoDataset`` numbers labels in the order of the file's ``categories``, but mmdet
    writes the order of ``metainfo`` into checkpoints and visualizations, and
    ``DetInferencer`` reads it from there. If the two orders differ, boxes get wrong
    names; this hook corrects them. It does not change labels, losses or metrics: mmdet
    finds categories by name.

    Put it into ``default_hooks``: a config adds to inherited ``default_hooks`` but
    replaces inherited ``custom_hooks``.
    """

    def before_run(self, runner: Runner) -> None:
        """Reorders before mmengine compares the classes with a loaded checkpoint."""
        if not is_main_process():  # only this process saves, draws and evaluates
            return
        for split in SPLITS:
            loop = getattr(runner, f'_{split}_loop', None)  # the property builds it
            if isinstance(loop, BaseLoop):
                self._reorder(runner, split, loop)

    def _reorder(self, runner: Runner, split: str, loop: BaseLoop) -> None:
        """Reorders the classes of a dataset, its visualizer and its evaluator."""
        dataset = loop.dataloader.dataset
        try:
            names = label_names(runner.cfg[f'{split}_dataloader']['dataset'])
            changed = put_in_order(dataset._metainfo, names)
        except Exception as error:  # no config, or an unknown format
            print_log(
                f'LabelNamesHook cannot read the label order of the {split} data, so '
                f'names may be wrong if metainfo.classes is in another order: '
                f'{reason(error)}',
                logger='current',
                level=logging.WARNING,
            )
            return
        if changed:
            runner.visualizer.dataset_meta = dataset.metainfo
            if hasattr(loop, 'evaluator'):
                loop.evaluator.dataset_meta = dataset.metainfo


def put_in_order(metainfo: dict[str, Any], names: tuple[str, ...]) -> bool:
    """Puts classes, and their palette, into label order.

    Args:
        metainfo: Metainfo of a dataset; changed in place if it has the same classes in
            another order.
        names: The classes in label order.

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
