"""Does the head have as many classes as the dataset that is trained on?

mmdet's ``NumClassCheckHook`` asks the same, but stands in ``custom_hooks``, a list that
a config replaces as a whole. mmengine tells what is trained on in its message hub.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.logging import MessageHub

FEW = 5
"""How many names a message lists."""


def training_classes() -> Sequence[str] | None:
    """The classes of the dataset that a runner trains on now.

    Returns:
        ``metainfo['classes']`` as the config has it, or None outside a training.
    """
    hub = MessageHub.get_current_instance()
    if hub.get_info('loop_stage') != 'train':
        return None
    return (hub.get_info('dataset_meta') or {}).get('classes')


def check_classes(classes: Sequence[str] | None, num_classes: int) -> None:
    """Compares the classes of a dataset with those of a head.

    Args:
        classes: Of the dataset, or None where they are not known.
        num_classes: Of the head.

    Raises:
        ValueError: If they are one text instead of a list, or more or fewer than those
            of the head.
    """
    if classes is None:
        return
    if isinstance(classes, str):
        raise ValueError(
            f'metainfo.classes of the training set is the text {classes!r}, of which '
            f'every letter would be a class; write classes=({classes!r},) with a comma'
        )
    if len(classes) != num_classes:
        names = ', '.join(classes[:FEW]) + (', ...' if len(classes) > FEW else '')
        raise ValueError(
            f'the head has num_classes={num_classes}, the training set has '
            f'{len(classes)} classes ({names}): set model.bbox_head.num_classes='
            f'{len(classes)}, or metainfo=dict(classes=...) of every dataset'
        )
