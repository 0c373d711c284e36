"""Shows what the head will be taught, and what is suspicious about the dataset.

    python tools/browse_targets.py CONFIG

Writes pictures of images as they leave the training pipeline, with their boxes and
Gaussians, a plot of sizes and counts, and a report; prints the report. Nothing is
trained and no weights are needed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import mmdet_centernet  # noqa: F401, so that the types of a config are known
from mmdet_centernet.codecs import CenterTargets
from mmdet_centernet.data_report.annotations import Annotations, read_annotations
from mmdet_centernet.data_report.dropped import count_classes
from mmdet_centernet.data_report.picture import draw_sample
from mmdet_centernet.data_report.plot import plot_summary
from mmdet_centernet.data_report.report import describe, find_warnings
from mmdet_centernet.data_report.samples import TrainingData
from mmdet_centernet.data_report.statistics import TargetStatistics, collect
from mmdet_centernet.files import write_bytes, write_figure, write_picture

import numpy as np
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed
from tqdm import tqdm

SPLITS = ('train', 'val', 'test')


def main() -> None:
    """Looks at the data as the command line says."""
    args = parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    init_default_scope('mmdet')
    out = args.out_dir or Path('work_dirs/targets') / Path(args.config).stem
    try:
        splits = read_splits(cfg)
        data = TrainingData(cfg)
        set_random_seed(args.seed)
        statistics = collect(browse(data, out, args))
        report = write_report(splits, statistics, data, out)
    except (OSError, ValueError) as error:
        sys.exit(f'{args.config}: {error}')
    print(f'{report}\n\nPictures, summary.png and report.txt lie in {out}/')


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument(
        '--out-dir', type=Path, help='default: a folder in work_dirs/targets'
    )
    parser.add_argument(
        '--images', type=int, default=500, help='how many to count on (500)'
    )
    parser.add_argument(
        '--pictures', type=int, default=20, help='how many of them to draw (20)'
    )
    parser.add_argument('--show', action='store_true', help='in a window, too')
    parser.add_argument('--seed', type=int, default=0, help='which images, which views')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args()


def read_splits(cfg: Config) -> dict[str, list[Annotations]]:
    """The annotation files of each split; a file that serves two is read once."""
    splits: dict[str, list[Annotations]] = {}
    known: set[str] = set()
    for split in SPLITS:
        loader = cfg.get(f'{split}_dataloader')
        files = read_annotations(loader.dataset) if loader else []
        splits[split] = [file for file in files if file.source not in known]
        known |= {file.source for file in files}
    return splits


def browse(
    data: TrainingData, out: Path, args: argparse.Namespace
) -> Iterator[CenterTargets]:
    """Hands on the targets of images, and draws the first of them."""
    chosen = np.random.permutation(len(data))[: args.images]
    samples = tqdm(data.samples(chosen), total=len(chosen), unit='image')
    visualizer = DetLocalVisualizer()
    classes = data.dataset.metainfo['classes']
    for number, sample in enumerate(samples):
        if number < args.pictures:
            picture = draw_sample(visualizer, sample, classes, data.head.stride)
            name = f'{number:03}_{Path(sample.path).stem}'
            write_picture(out / 'pictures' / f'{name}.png', picture)
            if args.show:
                visualizer.show(picture, win_name=name)
        yield sample.targets


def write_report(
    splits: dict[str, list[Annotations]],
    statistics: TargetStatistics,
    data: TrainingData,
    out: Path,
) -> str:
    """Writes the plot and the report; returns the latter."""
    warnings = find_warnings(splits, statistics, data.head.num_classes)
    lines = [f'WARNING: {text}' for text in warnings] or ['Nothing suspicious.']
    report = '\n'.join([describe(splits, statistics), '', *lines])
    classes = total_classes(data.dataset.metainfo['classes'], splits['train'])
    write_figure(out / 'summary.png', plot_summary(statistics, classes))
    write_bytes(out / 'report.txt', f'{report}\n'.encode())
    return report


def total_classes(names: Sequence[str], files: Sequence[Annotations]) -> dict[str, int]:
    """Boxes of each class in all files."""
    counts = [count_classes(file) for file in files]
    return {name: sum(count.get(name, 0) for count in counts) for name in names}


if __name__ == '__main__':
    main()
