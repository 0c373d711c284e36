"""Plots AP against epochs over several seeds.

Usage: python dev/plots/learning_curves.py OUT.png LABEL=WORK_DIR[,WORK_DIR ...] ...

The folders of a label are runs of the same config with different seeds. The line is
their mean, the band spans minimum and maximum. Prints a table of the last validation:
mean (minimum-maximum).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from mmdet_centernet.files import write_figure

METRICS = ('bbox_mAP', 'bbox_mAP_50', 'bbox_mAP_75', 'bbox_mAP_s')
HEADINGS = ('AP', 'AP50', 'AP75', 'AP small')


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path, metavar='OUT.png')
    parser.add_argument('runs', nargs='+', metavar='LABEL=WORK_DIR[,WORK_DIR ...]')
    args = parser.parse_args()
    for run in args.runs:
        if '=' not in run:
            parser.error(f'{run!r} has no label: write LABEL=WORK_DIR')
    return args


def main() -> None:
    """Reads the runs, prints the table and draws the plot."""
    args = parse_args()
    figure, axes = plt.subplots(figsize=(7, 4.2))
    width = max(len(run.split('=')[0]) for run in args.runs)
    print(f'{"":{width}}', 'seeds', 'epochs', *(f'{name:>18}' for name in HEADINGS))
    for run in args.runs:
        label, folders = run.split('=', 1)
        epochs, values = read_runs([Path(folder) for folder in folders.split(',')])
        print(
            f'{label:{width}}', f'{len(values):5}', f'{epochs[-1]:6}', *_cells(values)
        )
        _draw(axes, label, epochs, values[..., 0])
    axes.set(xlabel='epoch', ylabel='AP', ylim=(0, None))
    axes.legend(frameon=False, loc='lower right')
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.spines[['top', 'right']].set_visible(False)
    figure.tight_layout()
    write_figure(args.out, figure)


def read_runs(folders: Sequence[Path]) -> tuple[list[int], np.ndarray]:
    """Reads the validations of runs with different seeds.

    Args:
        folders: R work directories.

    Returns:
        E epochs and their metrics (R, E, 4).
    """
    curves = [_read(folder) for folder in folders]
    epochs = list(curves[0])
    for folder, curve in zip(folders, curves, strict=True):
        if list(curve) != epochs:
            raise SystemExit(
                f'{folder} was validated after epochs {list(curve)}, {folders[0]} '
                f'after {epochs}: runs of one label must have the same length'
            )
    return epochs, np.array([list(curve.values()) for curve in curves])


def _read(folder: Path) -> dict[int, list[float]]:
    """Returns the metrics of the last run in a work directory by epoch."""
    logs = sorted(folder.glob('*/vis_data/scalars.json'))
    lines = [json.loads(line) for line in logs[-1].open()] if logs else []
    curve = {
        line['step']: [line[f'coco/{metric}'] for metric in METRICS]
        for line in lines
        if f'coco/{METRICS[0]}' in line
    }
    if not curve:
        raise SystemExit(f'{folder} contains no run with a validation')
    return curve


def _cells(values: np.ndarray) -> list[str]:
    """Formats mean, minimum and maximum of the last validation."""
    last = values[:, -1]
    triples = zip(last.mean(0), last.min(0), last.max(0), strict=True)
    return [f'{mean:.3f} ({low:.3f}-{high:.3f})' for mean, low, high in triples]


def _draw(
    axes: plt.Axes, label: str, epochs: Sequence[int], values: np.ndarray
) -> None:
    (line,) = axes.plot(epochs, values.mean(0), marker='o', label=label)
    axes.fill_between(
        epochs, values.min(0), values.max(0), color=line.get_color(), alpha=0.2, lw=0
    )


if __name__ == '__main__':
    main()
