"""Resolves the ``type`` of a config.

Text configs give a registered name (``'CTDetHead'``) or an import path
(``'mmdet_centernet.models.CTDetHead'``); pure Python configs give the class itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import Registry


def find_class(registry: Registry, cfg: Mapping[str, Any]) -> type | None:
    """Returns the class that a registry would build from a config.

    Args:
        registry: Resolves registered names.
        cfg: Config with a ``type``.

    Returns:
        The class; None if the config has no type or an unknown one.
    """
    kind = cfg.get('type')
    if isinstance(kind, str):
        try:
            kind = registry.get(kind)
        except Exception:  # mmengine raises several types for unknown names
            return None
    return kind if isinstance(kind, type) else None


def type_name(cfg: Mapping[str, Any]) -> str:
    """Returns the name of a config's type without its module, such as ``CTDetHead``.

    Args:
        cfg: Config; without a type the name is ``''``.
    """
    kind = cfg.get('type', '')
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', str(kind))
    return name.rpartition('.')[2]
