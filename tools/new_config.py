"""Writes a training config for your own images and boxes.

    mmdet_centernet new-config my_data/ --out my_config.py
    mmdet_centernet train my_config.py

The folder holds images, and boxes in COCO, Pascal VOC or YOLO format, as one set or as
train, val and test. The command chooses the settings by the data and explains them. If
it finds faults that would spoil training, it lists them and writes nothing.
`--task pose` also trains on the keypoints of a COCO json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmdet_centernet.arguments import check_whole
from mmdet_centernet.new_config.backbones import BACKBONES, DEFAULT_BACKBONE
from mmdet_centernet.new_config.make import make_config
from mmdet_centernet.new_config.settings import Options

TASKS = ('detection', 'pose')


def main() -> None:
    """Runs the command line."""
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
    parser.add_argument('folder', type=Path, help='folder of images and boxes')
    parser.add_argument('--out', type=Path, required=True, help='config to write (.py)')
    parser.add_argument(
        '--task',
        choices=TASKS,
        default='detection',
        help='predict boxes, or boxes and keypoints (detection)',
    )
    parser.add_argument(
        '--image-scale',
        type=int,
        nargs=2,
        metavar=('W', 'H'),
        help='fit images into this width and height; default: by the objects',
    )
    parser.add_argument(
        '--epochs',
        type=int,
        help='default: about 1,000 steps on a CPU, 2,000 on a GPU, within 8 to 300 '
        'epochs',
    )
    parser.add_argument(
        '--batch-size', type=int, help='images per step; default: by the memory'
    )
    parser.add_argument(
        '--backbone',
        default=DEFAULT_BACKBONE,
        help=f'{", ".join(BACKBONES)} ({DEFAULT_BACKBONE})',
    )
    parser.add_argument(
        '--pretrained',
        action='store_true',
        help='start from ImageNet weights, which are downloaded',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='seed of the train/val split (0)',
    )
    parser.add_argument(
        '--shrink',
        action='store_true',
        help='train on smaller copies of the images, no larger than training can use: '
        'saves time if images are much larger than the input',
    )
    return parser.parse_args()


def options_of(args: argparse.Namespace) -> Options:
    """Converts the command line to options.

    Raises:
        ValueError: If a number is below 1, or the config is not a Python file.
        FileExistsError: If the config exists.
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
        raise ValueError(f'--out {args.out}: the name of a config must end in .py')
    if args.out.exists():
        raise FileExistsError(
            f'--out {args.out} exists: delete it, or choose another name'
        )
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
