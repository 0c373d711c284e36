"""Which class does the `type` of a config mean, in whatever style it is written?

Text configs name it as a registry knows it (``'CTDetHead'``) or by its module
(``'mmdet_centernet.models.CTDetHead'``); pure Python configs hold the class itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import Registry


def find_class(registry: Registry, cfg: Mapping[str, Any]) -> type | None:
    """The class that would be built of a config.

    Args:
        registry: Knows short names.
        cfg: Config with a ``type``.

    Returns:
        The class; None where the config has no type, or one that is not known.
    """
    kind = cfg.get('type')
    if isinstance(kind, str):
        try:
            kind = registry.get(kind)
        except Exception:  # mmengine raises several kinds for a name that leads nowhere
            return None
    return kind if isinstance(kind, type) else None


def type_name(cfg: Mapping[str, Any]) -> str:
    """The name of a config's type without its module, such as ``CTDetHead``.

    Args:
        cfg: Config; one without a type has the name ``''``.
    """
    kind = cfg.get('type', '')
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', str(kind))
    return name.rpartition('.')[2]
