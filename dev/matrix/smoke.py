"""Trains, tests, resumes, exports and predicts once in this environment.

Usage: python dev/matrix/smoke.py FOLDER

Uses the generated images and the narrow network of the tests. Writes `yes` or the error
of each step to FOLDER/smoke.json.
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
    """A command, the file that it must write or the words that it must print."""

    command: list[str | Path]
    leaves: str = ''
    prints: str = ''


def main() -> None:
    """Runs all steps, also after failures."""
    folder = Path(sys.argv[1]).absolute()
    cells = {name: run(step, folder) for name, step in steps(config_in(folder)).items()}
    (folder / 'smoke.json').write_text(json.dumps(cells))


def config_in(folder: Path) -> Path:
    """Generates the images and writes the config."""
    sys.path.insert(0, str(ROOT / 'tests'))
    from helpers.tiny import tiny_config

    return tiny_config(folder)


def steps(config: Path) -> dict[str, Step]:
    """Returns the commands that users type."""
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
    """Runs a step and returns its cell of the table."""
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
