"""Prints the versions of the packages in this environment as JSON."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTIONS = {
    'torch': ('torch',),
    'numpy': ('numpy',),
    'mmcv': ('mmcv', 'mmcv-lite', 'onedl-mmcv'),
    'mmdet': ('mmdet', 'onedl-mmdetection'),
    'mmengine': ('mmengine', 'onedl-mmengine'),
}
"""Names under which each package may be installed."""


def main() -> None:
    """Prints them."""
    found = {module: describe(names) for module, names in DISTRIBUTIONS.items()}
    print(json.dumps({'Python': platform.python_version(), **found}))


def describe(names: tuple[str, ...]) -> str:
    """Returns the version, preceded by the name if it is not the first one."""
    for name in names:
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        return found if name == names[0] else f'{name} {found}'
    return 'none'


if __name__ == '__main__':
    main()
