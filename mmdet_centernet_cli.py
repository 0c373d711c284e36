"""The command line ``mmdet_centernet COMMAND``.

Most commands are scripts that `mim run mmdet_centernet SCRIPT` runs as well. This
module does not import the package, so that the doctor runs where the package cannot be
imported and predictions with exported models need no torch.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path

SCRIPTS = {
    'new-config': ('new_config.py', 'write a config for a folder with your own data'),
    'browse-targets': ('browse_targets.py', 'check a dataset and draw its targets'),
    'train': ('train.py', "train a config, with the options of mmdet's train.py"),
    'test': ('test.py', "test a checkpoint, with the options of mmdet's test.py"),
    'export-onnx': ('export_onnx.py', 'export a checkpoint to ONNX'),
    'quantize-onnx': ('quantize_onnx.py', 'quantize an ONNX file to 8-bit integers'),
    'predict': ('predict_onnx.py', 'detect objects in images with an ONNX file'),
    'convert-official': ('convert_official.py', 'convert official checkpoints'),
}
"""Command to script and description."""
MODULES = {
    'doctor': ('mmdet_centernet_doctor', 'check what this environment can run'),
    'operators': (
        'mmdet_centernet_operators',
        "install operators beside mmcv for mmdet's own tools",
    ),
}
"""Command to module and description."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command.

    Args:
        arguments: Command and its arguments; default: those of this process.

    Raises:
        SystemExit: With the status of the command.
    """
    command, *rest = _parse(sys.argv[1:] if arguments is None else arguments)
    if command in MODULES:
        module, _ = MODULES[command]
        sys.exit(subprocess.call([sys.executable, '-m', module, *rest]))
    script = scripts_folder() / SCRIPTS[command][0]
    sys.argv = [str(script), *rest]
    sys.path.insert(0, str(script.parent))  # as Python does for a script
    run_path(str(script), run_name='__main__')


def scripts_folder() -> Path:
    """Returns the folder of the scripts, in the package or beside it in a checkout.

    Raises:
        SystemExit: If the package is not installed.
    """
    spec = find_spec('mmdet_centernet')
    if spec is None or spec.origin is None:
        raise SystemExit('mmdet_centernet is not installed: pip install .')
    package = Path(spec.origin).parent
    folders = (package / '.mim/tools', package.parent / 'tools')
    return next(folder for folder in folders if folder.is_dir())


def _parse(arguments: Sequence[str]) -> Sequence[str]:
    """Checks the command and returns all arguments."""
    everything = SCRIPTS | MODULES
    lines = [f'  {name:18}{text}' for name, (_, text) in everything.items()]
    parser = argparse.ArgumentParser(
        prog='mmdet_centernet',
        usage='mmdet_centernet COMMAND ...',
        description='\n'.join(['commands:', *lines]),
        epilog='`mmdet_centernet COMMAND --help` describes a command.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('command', choices=everything, help=argparse.SUPPRESS)
    parser.parse_args(arguments[:1])
    return arguments


if __name__ == '__main__':
    main()
