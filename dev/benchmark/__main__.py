"""Compares speed and memory with mmdet's own CenterNet, in one process.

Usage: python dev/benchmark [--out work_dirs/benchmark]

Prints a table, writes it as benchmark.json, and plots each quantity that is varied.
Both sides alternate on the same inputs with the same weights; figures are medians.
Compare ratios, not times: they depend less on the machine and its load.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import tempfile
from importlib import import_module
from pathlib import Path

from measures import GROUPS, Options
from mmdet_centernet.files import write_bytes
from table import draw_sweeps, format_row, print_header

import cv2
import torch
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.utils import mkdir_or_exist

CUDA_GROUPS = ['accelerator', 'decoding', 'training']
CPU_GROUPS = [
    'losses',
    'decoding',
    'pipeline',
    'training',
    'options',
    'prediction',
    'sweeps',
]
PACKAGES = ('torch', 'mmcv', 'mmdet', 'mmengine', 'numpy')


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'groups',
        nargs='*',
        metavar='GROUP',
        help=f'of {", ".join(GROUPS)}; default on a CPU: {", ".join(CPU_GROUPS)}; with '
        f'--device cuda: {", ".join(CUDA_GROUPS)}. exported needs onnxruntime, dcn an '
        'mmcv with compiled operators',
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark'))
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    parser.add_argument(
        '--dtype',
        default='float32',
        choices=('float32', 'float16', 'bfloat16'),
        help='of the maps that losses and decoding get',
    )
    parser.add_argument('--images', type=int, default=16, help='in a batch of maps')
    parser.add_argument('--classes', type=int, default=80)
    parser.add_argument('--cells', type=int, default=128, help='side of the maps')
    parser.add_argument('--objects', type=int, default=118, help='in a batch')
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument(
        '--photos', type=Path, help='folder of .jpg files; else noise is drawn'
    )
    args = parser.parse_args()
    unknown = set(args.groups) - set(GROUPS)
    if unknown:
        parser.error(f'no group {", ".join(sorted(unknown))}: {", ".join(GROUPS)}')
    return args


def main() -> None:
    """Runs the groups, prints the table and writes the files."""
    args = parse_args()
    init_default_scope('mmdet')
    MMLogger.get_current_instance().setLevel('WARNING')  # no list of initial weights
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(0)  # as mmdet's data workers do
    mkdir_or_exist(args.out)
    about = describe_machine(args)
    print('\n'.join(f'{name:10} {value}' for name, value in about.items()), end='\n\n')
    print_header()
    rows, sweeps = [], []
    with tempfile.TemporaryDirectory() as scratch:
        options = Options(**about_run(args), scratch=Path(scratch))
        on_cuda = args.device.startswith('cuda')
        for group in args.groups or (CUDA_GROUPS if on_cuda else CPU_GROUPS):
            for result in GROUPS[group](options):
                if 'points' in result:
                    sweeps.append(result)
                else:
                    rows.append(result)
                    print(format_row(result), flush=True)
    result = dict(about=about, rows=rows, sweeps=sweeps)
    content = json.dumps(result, indent=2) + '\n'
    write_bytes(args.out / 'benchmark.json', content.encode())
    plots = draw_sweeps(sweeps, args.out)
    print('\nwritten:', args.out / 'benchmark.json', *plots)


def about_run(args: argparse.Namespace) -> dict:
    """Returns the arguments of the measurements."""
    names = ('device', 'images', 'classes', 'cells', 'objects', 'repeats', 'photos')
    return {name: getattr(args, name) for name in names} | {
        'dtype': getattr(torch, args.dtype)
    }


def describe_machine(args: argparse.Namespace) -> dict[str, str]:
    """Describes processor or GPU, threads and versions."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, IndexError):
        models = Path('/proc/cpuinfo').read_text().split('model name')
        processor = models[1].partition('\n')[0].strip('\t: ')
    if args.device.startswith('cuda'):
        processor = torch.cuda.get_device_name(args.device)
    return dict(
        machine=f'{processor}, {args.threads} threads',
        python=platform.python_version(),
        packages=' '.join(
            # Of the imported module: forks of mmdet have other names in pip.
            f'{name} {import_module(name).__version__}'
            for name in PACKAGES
        ),
        maps=f'{args.images} x {args.classes} x {args.cells} x {args.cells} '
        f'{args.dtype}, {args.objects} objects',
    )


if __name__ == '__main__':
    main()
