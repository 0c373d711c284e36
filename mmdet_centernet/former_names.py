"""Former names of public objects, kept for one release."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def former_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Makes the ``__getattr__`` of a module that resolves former names and warns.

    Args:
        module: Name of the module.
        names: Former name to the new one, in the same module or with its module.
    """

    def resolve(name: str) -> Any:
        if name not in names:
            raise AttributeError(f'module {module!r} has no attribute {name!r}')
        new = names[name]
        warnings.warn(f'{module}.{name} is now {new}', DeprecationWarning, stacklevel=2)
        path, _, attribute = new.rpartition('.')
        return getattr(import_module(path or module), attribute)

    return resolve
