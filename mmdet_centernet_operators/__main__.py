"""Installs the replacement of mmcv's compiled operators for all programs.

install   write mmcv/_ext.py, for mmdet's own tools, `mim train mmdet` and scripts that
          import mmdet before mmdet_centernet; does nothing if mmcv has compiled
          operators
remove    delete that file
status    print which operators mmcv uses
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from mmdet_centernet_operators.stand_in import (
    TEXT,
    compiled_module,
    is_ours,
    mmcv_folder,
)

NO_MMCV = 'mmcv is not installed here: pip install "mmcv-lite>=2.0.0,<2.2.0"'


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog='mmdet_centernet operators',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('action', choices=ACTIONS)
    action = parser.parse_args().action
    folder = mmcv_folder()
    if folder is None:
        sys.exit(NO_MMCV)
    sys.stdout.write(ACTIONS[action](folder) + '\n')


def install(folder: Path) -> str:
    """Writes the file, unless mmcv has compiled operators.

    Args:
        folder: Folder of mmcv.

    Returns:
        A message.

    Raises:
        SystemExit: If another file of that name exists, or mmcv's operators still
            cannot be imported.
    """
    compiled, path = compiled_module(folder), folder / '_ext.py'
    if compiled:
        return f'mmcv has compiled operators ({compiled}): nothing to do.'
    if not (folder / '__init__.py').is_file():
        raise SystemExit(NO_MMCV)
    if path.exists() and not is_ours(path):
        raise SystemExit(f'{path} was not written by this command and stays unchanged.')
    path.write_text(TEXT, encoding='utf-8')
    done = subprocess.run([sys.executable, '-c', 'import mmcv.ops'], check=False)
    if done.returncode:
        raise SystemExit(
            f'{path} is written, but mmcv.ops cannot be imported, see above.'
        )
    return f'{path} is written. `mmdet_centernet operators remove` deletes it.'


def remove(folder: Path) -> str:
    """Deletes the file, and the folder if mmcv was uninstalled.

    Args:
        folder: Folder of mmcv.

    Returns:
        A message.
    """
    path = folder / '_ext.py'
    if not is_ours(path):
        return f'There is no replacement in {folder}: nothing to do.'
    path.unlink()
    if not (folder / '__init__.py').is_file():  # pip left it because of the file
        shutil.rmtree(folder)
    return f'{path} is deleted.'


def status(folder: Path) -> str:
    """Reports which operators mmcv uses.

    Args:
        folder: Folder of mmcv.

    Returns:
        A message.
    """
    compiled, path = compiled_module(folder), folder / '_ext.py'
    if compiled:
        return f'compiled operators: {compiled}'
    if is_ours(path):
        return f'operators in plain torch, for every program: {path}'
    return (
        'operators in plain torch, for programs that import mmdet_centernet first; '
        '`install` makes them available to all'
    )


ACTIONS = {'install': install, 'remove': remove, 'status': status}


if __name__ == '__main__':
    main()
