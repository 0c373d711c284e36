"""Train, test, resume, export and predict once, with the versions that run this.

Usage: python dev/matrix/smoke.py FOLDER

Uses the drawn images and the narrow network of the tests. Writes to FOLDER/smoke.json,
for each step, `yes` or what went wrong.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from report import STEPS, YES, first_line_of_error

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools'
SECONDS = 900


class Step(NamedTuple):
    """A command, and a file that it leaves or words that it prints."""

    command: list[str | Path]
    leaves: str = ''
    prints: str = ''


def main() -> None:
    """Run the steps, each whatever became of the others."""
    folder = Path(sys.argv[1]).absolute()
    cells = {name: run(step, folder) for name, step in steps(config_in(folder)).items()}
    (folder / 'smoke.json').write_text(json.dumps(cells))


def config_in(folder: Path) -> Path:
    """Draw the images and write the config."""
    sys.path.insert(0, str(ROOT / 'tests'))
    from helpers.tiny import tiny_config

    return tiny_config(folder)


def steps(config: Path) -> dict[str, Step]:
    """The commands, as users type them."""
    train, checkpoint = TOOLS / 'train.py', 'work_dir/epoch_1.pth'
    resumed = ['--resume', '--cfg-options', 'train_cfg.max_epochs=2']
    stock = Path(find_spec('mmdet').origin).parent / '.mim/tools/train.py'
    export = [TOOLS / 'export_onnx.py', config, checkpoint, 'tiny.onnx', '--normalize']
    predict = [TOOLS / 'predict_onnx.py', 'tiny.onnx', 'images']
    all_steps = (
        Step([train, config], leaves=checkpoint),
        Step([TOOLS / 'test.py', config, checkpoint], prints='coco/bbox_mAP: '),
        Step([train, config, *resumed], leaves='work_dir/epoch_2.pth'),
        Step([stock, config, '--work-dir', 'stock'], leaves='stock/epoch_1.pth'),
        Step(export, leaves='tiny.onnx'),
        Step(predict, leaves='predictions/predictions.json'),
    )
    return dict(zip(STEPS, all_steps, strict=True))


def run(step: Step, folder: Path) -> str:
    """Run a step; returns its cell of the table."""
    print('$ python', *step.command)
    done = subprocess.run(
        [sys.executable, *step.command],
        cwd=folder,
        env=dict(os.environ, OMP_NUM_THREADS='1', MPLBACKEND='Agg'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    print(done.stdout, flush=True)
    kept = (folder / step.leaves).exists() and step.prints in done.stdout
    if done.returncode == 0 and kept:
        return YES
    return first_line_of_error(done.stdout)


if __name__ == '__main__':
    main()
