"""Writes a config for your own photos and boxes, with settings that suit them.

    mmdet_centernet new-config my_data/ --out my_config.py
    mmdet_centernet train my_config.py

The folder holds photos, and boxes in COCO, Pascal VOC or YOLO format, as one set or as
train, val and test. What would spoil a training is named, and nothing is written then.
`--task pose` learns the keypoints of a COCO json beside the boxes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmdet_centernet.arguments import check_whole
from mmdet_centernet.new_config.make import make_config
from mmdet_centernet.new_config.settings import BACKBONES, Options

TASKS = ('detection', 'pose')


def main() -> None:
    """Writes a config as the command line says."""
    args = parse_args()
    try:
        for line in make_config(args.folder, args.out, options_of(args)):
            print(line)
    except (OSError, ValueError) as error:
        sys.exit(f'No config was written. {error}')
    print(f'\n{args.out} is written. Next: mmdet_centernet train {args.out}')


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path, help='photos and their boxes')
    parser.add_argument('--out', type=Path, required=True, help='config to write (.py)')
    parser.add_argument(
        '--task',
        choices=TASKS,
        default='detection',
        help='boxes, or boxes with keypoints of a COCO json (detection)',
    )
    parser.add_argument(
        '--image-scale',
        type=int,
        nargs=2,
        metavar=('W', 'H'),
        help='width and height that photos are fitted into; default: by the objects',
    )
    parser.add_argument('--epochs', type=int, help='default: 1,000 to 2,000 steps')
    parser.add_argument(
        '--batch-size', type=int, help='photos of a step; default: by the memory'
    )
    parser.add_argument(
        '--backbone', default='resnet18', help=f'{", ".join(BACKBONES)} (resnet18)'
    )
    parser.add_argument(
        '--pretrained',
        action='store_true',
        help='start from weights of ImageNet; torchvision downloads them',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='which photos validate, of one set (0)'
    )
    parser.add_argument(
        '--shrink',
        action='store_true',
        help='write copies of the photos, no larger than a training can use, and train '
        'on them: saves time where photos are far larger than the input',
    )
    return parser.parse_args()


def options_of(args: argparse.Namespace) -> Options:
    """What the command line asks for.

    Raises:
        ValueError: If a number is below 1, or the config is no Python file.
        FileExistsError: If the config is there.
    """
    width, height = args.image_scale or (None, None)
    numbers = dict(
        image_width=width,
        image_height=height,
        epochs=args.epochs,
        batch_size=args.batch_size,
    )
    check_whole(**{k: value for k, value in numbers.items() if value is not None})
    if args.out.suffix != '.py':
        raise ValueError(f'--out {args.out}: mmengine reads configs that end in .py')
    if args.out.exists():
        raise FileExistsError(f'--out {args.out} is there: delete it, or name another')
    return Options(
        image_scale=(width, height) if args.image_scale else None,
        epochs=args.epochs,
        batch_size=args.batch_size,
        backbone=args.backbone,
        pretrained=args.pretrained,
        seed=args.seed,
        shrink=args.shrink,
        pose=args.task == 'pose',
    )


if __name__ == '__main__':
    main()
