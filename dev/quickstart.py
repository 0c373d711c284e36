"""Trains on handwritten digits, tests, and draws the detections.

Usage: python dev/quickstart.py

`make quickstart` runs it in the environment that it has created. It calls mmdet's own
scripts one after the other. Results of earlier calls are reused unless code, configs,
data or torch changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = Path('configs/quickstart/ctdet_r18-half-fpn_1xb16-4e_digits.py')
DATA = Path('data/digits')
WORK_DIR = Path('work_dirs/quickstart')
TRAINED_FROM = WORK_DIR / 'trained_from'
EXPECTED = {'coco/bbox_mAP': 0.75, 'coco/bbox_mAP_50': 0.95}
# mmengine 0.10.7 uses pkg_resources, which prints a deprecation warning.
KNOWN_WARNING = 'ignore:pkg_resources is deprecated as an API'


def main() -> None:
    """Runs the steps and prints where the results are."""
    # No options, but --help must not start the quick start.
    argparse.ArgumentParser(description=__doc__).parse_args()
    os.chdir(ROOT)
    # Keeps the order of lines when the output goes to a file or a pipe.
    sys.stdout.reconfigure(line_buffering=True)
    try:
        _run('dev/make_digits.py', DATA)
        checkpoint = train()
        run_dir = test(checkpoint)
    except subprocess.CalledProcessError as error:
        sys.exit(f'{error.cmd[1]} failed, see above.')
    metrics = json.loads((run_dir / f'{run_dir.name}.json').read_text())
    images = run_dir / 'vis_data' / 'vis_image'
    print(
        f'\nAP          {metrics["coco/bbox_mAP"]:.3f}'
        f'\nAP50        {metrics["coco/bbox_mAP_50"]:.3f}'
        f'\nimages      {images}/ ({len(list(images.iterdir()))} of them)'
        f'\ncheckpoint  {checkpoint}'
        f'\nlog         {training_log()}'
    )
    if any(metrics[name] < least for name, least in EXPECTED.items()):
        sys.exit(f'Lower than expected: {EXPECTED}')


def train() -> Path:
    """Trains, unless code, configs, data and torch are unchanged.

    Returns:
        The last checkpoint.
    """
    key = fingerprint()
    last = WORK_DIR / 'last_checkpoint'
    if TRAINED_FROM.is_file() and TRAINED_FROM.read_text() == key:
        print(f'Already trained. To train again: rm -r {WORK_DIR}')
    else:
        shutil.rmtree(WORK_DIR, ignore_errors=True)
        _run('tools/train.py', CONFIG, '--work-dir', WORK_DIR)
        TRAINED_FROM.write_text(key)
    return WORK_DIR / Path(last.read_text()).name


def test(checkpoint: Path) -> Path:
    """Tests a checkpoint.

    Returns:
        The folder of this run, with metrics and visualizations.
    """
    work_dir = WORK_DIR / 'test'
    _run('tools/test.py', CONFIG, checkpoint, '--work-dir', work_dir)
    return max(path for path in work_dir.iterdir() if path.is_dir())


def training_log() -> Path:
    """Returns the log of the training."""
    (log,) = WORK_DIR.glob('*/*.log')
    return log


def fingerprint() -> str:
    """Returns a hash of everything that affects the trained model."""
    digest = hashlib.sha256(version('torch').encode())
    digest.update((DATA / 'dataset.json').read_bytes())
    for folder in (Path('mmdet_centernet'), Path('configs')):
        for path in sorted(folder.rglob('*.py')):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _run(tool: str, *arguments: str | Path) -> None:
    """Runs a script of this checkout in a process of its own."""
    known = os.environ.get('PYTHONWARNINGS')
    warnings = ','.join(filter(None, [known, KNOWN_WARNING]))
    subprocess.run(
        [sys.executable, tool, *map(str, arguments)],
        env=dict(os.environ, PYTHONWARNINGS=warnings),
        check=True,
    )


if __name__ == '__main__':
    main()
