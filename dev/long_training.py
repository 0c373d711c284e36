"""Trains for many steps and measures memory and loss.

    python dev/long_training.py CONFIG --cfg-options train_dataloader.batch_size=4

Prints the slope of the memory over the second half, the mean loss of the first and last
hundred steps and the count of each warning. Plots memory and loss.
"""

from __future__ import annotations

import argparse
import resource
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from mmengine.config import Config, DictAction
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdet_centernet.files import write_figure

WINDOW = 100
"""Number of steps for means."""


class Recorder(Hook):
    """Records memory and loss of each step."""

    def __init__(self) -> None:
        self.megabytes: list[float] = []
        self.losses: list[float] = []

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Records one step."""
        self.megabytes.append(resident_bytes() / 1e6)
        self.losses.append(outputs['loss'].item())


def main() -> None:
    """Command line."""
    args = parse_args()
    recorder = Recorder()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        runner = Runner.from_cfg(prepare(args))
        runner.register_hook(recorder)
        runner.train()
    report(recorder, Counter(str(one.message)[:80] for one in caught))
    path = args.out / 'long_training.png'
    write_figure(path, draw(recorder))
    print(path)


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('--steps', type=int, default=2000)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/long_training'))
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    return parser.parse_args()


def prepare(args: argparse.Namespace) -> Config:
    """Returns the config for a number of steps without validation."""
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    cfg.work_dir = str(args.out)
    cfg.train_cfg = dict(
        type='IterBasedTrainLoop', max_iters=args.steps, val_interval=args.steps + 1
    )
    cfg.default_hooks.checkpoint = dict(
        type='CheckpointHook', by_epoch=False, interval=args.steps, max_keep_ckpts=1
    )
    cfg.param_scheduler = [
        dict(type='CosineAnnealingLR', T_max=args.steps, by_epoch=False)
    ]
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    return cfg


def report(recorder: Recorder, messages: Counter[str]) -> None:
    """Prints the measurements."""
    half = len(recorder.megabytes) // 2
    slope, _ = np.polyfit(np.arange(half), recorder.megabytes[-half:], 1)
    first, last = (
        np.mean(part) for part in (recorder.losses[:WINDOW], recorder.losses[-WINDOW:])
    )
    print(f'{len(recorder.losses):,} steps')
    print(
        f'memory  {recorder.megabytes[half]:.0f} MB in the middle, '
        f'{recorder.megabytes[-1]:.0f} MB at the end, slope of the second half '
        f'{slope * 1000:+.2f} MB in 1,000 steps'
    )
    print(f'loss    {first:.3f} at first, {last:.3f} at last')
    for message, count in messages.most_common():
        print(f'warning {count} x {message}')


def resident_bytes() -> int:
    """Returns the resident memory of this process (Linux)."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize()


def draw(recorder: Recorder) -> Figure:
    """Plots memory and loss against steps."""
    figure = Figure(figsize=(9, 3.2), layout='constrained')
    left, right = figure.subplots(1, 2)
    left.plot(recorder.megabytes)
    left.set(xlabel='step', ylabel='resident memory, MB', ylim=(0, None))
    right.plot(recorder.losses, lw=0.5, alpha=0.5)
    smooth = np.convolve(recorder.losses, np.ones(WINDOW) / WINDOW, 'valid')
    right.plot(np.arange(len(smooth)) + WINDOW - 1, smooth)
    right.set(xlabel='step', ylabel='loss', yscale='log')
    return figure


if __name__ == '__main__':
    main()
