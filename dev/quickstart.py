"""Train on handwritten digits, test in a second process, draw what was seen.

Usage: python dev/quickstart.py

The second half of `make quickstart`: mmdet's own tools do the work, this script calls
them one after the other. What a former call made is used again while nothing that it
was made from has changed.
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
# mmengine 0.10.7 uses pkg_resources, which says at each start that it will go.
KNOWN_WARNING = 'ignore:pkg_resources is deprecated as an API'


def main() -> None:
    """Run the steps and say where their results lie."""
    # There are none, but --help shall not empty the folder of the last training.
    argparse.ArgumentParser(description=__doc__).parse_args()
    os.chdir(ROOT)
    # In a file or a pipe, too, lines shall stand in the order in which they are said.
    sys.stdout.reconfigure(line_buffering=True)
    try:
        _run('dev/make_digits.py', DATA)
        checkpoint = train()
        run_dir = test(checkpoint)
    except subprocess.CalledProcessError as error:
        sys.exit(f'{error.cmd[1]} failed, see above.')
    metrics = json.loads((run_dir / f'{run_dir.name}.json').read_text())
    pictures = run_dir / 'vis_data' / 'vis_image'
    print(
        f'\nAP          {metrics["coco/bbox_mAP"]:.3f}'
        f'\nAP50        {metrics["coco/bbox_mAP_50"]:.3f}'
        f'\npictures    {pictures}/ ({len(list(pictures.iterdir()))} of them)'
        f'\ncheckpoint  {checkpoint}'
        f'\nlog         {training_log()}'
    )
    if any(metrics[name] < least for name, least in EXPECTED.items()):
        sys.exit(f'That is less than expected: {EXPECTED}')


def train() -> Path:
    """Train, unless that was done with the same code, config, data and torch.

    Returns:
        The last checkpoint.
    """
    key = fingerprint()
    last = WORK_DIR / 'last_checkpoint'
    if TRAINED_FROM.is_file() and TRAINED_FROM.read_text() == key:
        print(f'Trained already; `rm -r {WORK_DIR}` to do it again.')
    else:
        shutil.rmtree(WORK_DIR, ignore_errors=True)
        _run('tools/train.py', CONFIG, '--work-dir', WORK_DIR)
        TRAINED_FROM.write_text(key)
    return WORK_DIR / Path(last.read_text()).name


def test(checkpoint: Path) -> Path:
    """Test a checkpoint.

    Returns:
        The folder of this run, with the metrics and the pictures.
    """
    work_dir = WORK_DIR / 'test'
    _run('tools/test.py', CONFIG, checkpoint, '--work-dir', work_dir)
    return max(path for path in work_dir.iterdir() if path.is_dir())


def training_log() -> Path:
    """The log of the training."""
    (log,) = WORK_DIR.glob('*/*.log')
    return log


def fingerprint() -> str:
    """Condense all that a trained model depends on."""
    digest = hashlib.sha256(version('torch').encode())
    digest.update((DATA / 'dataset.json').read_bytes())
    for folder in (Path('mmdet_centernet'), Path('configs')):
        for path in sorted(folder.rglob('*.py')):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _run(tool: str, *arguments: str | Path) -> None:
    """Run a tool of this folder in a process of its own."""
    known = os.environ.get('PYTHONWARNINGS')
    warnings = ','.join(filter(None, [known, KNOWN_WARNING]))
    subprocess.run(
        [sys.executable, tool, *map(str, arguments)],
        env=dict(os.environ, PYTHONWARNINGS=warnings),
        check=True,
    )


if __name__ == '__main__':
    main()
