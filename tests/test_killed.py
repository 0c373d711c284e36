"""Scripts that are killed while they write leave the previous file unchanged.

They are killed when the file exceeds a size, or when it is renamed.
"""

import signal
import subprocess
import sys
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from helpers.exported import lively_detector
from helpers.official_networks import our_network
from helpers.scripts import SECONDS, environment, run_python
from helpers.tiny import REPO, tiny_config
from mmdet_centernet.converters import to_official_state_dict
from mmdet_centernet.export import describe_pipeline, export_onnx

pytestmark = pytest.mark.slow

OLD = b'previous content'


class Job(NamedTuple):
    """A command, its output file, and a number of bytes below the file size."""

    command: list
    target: str
    size: int


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with checkpoints to convert and to export, and an image."""
    folder = tmp_path_factory.mktemp('killed')
    config = tiny_config(folder)
    detector = lively_detector(Config.fromfile(config))
    classes = ('square', 'disc')
    meta = dict(dataset_meta=dict(classes=classes))
    torch.save(dict(state_dict=detector.state_dict(), meta=meta), folder / 'own.pth')
    pipeline = Config.fromfile(config).test_pipeline
    steps = describe_pipeline(pipeline)
    export_onnx(detector, folder / 'own.onnx', pipeline=steps, classes=classes)
    (folder / 'input').mkdir()
    cv2.imwrite(str(folder / 'input/gray.jpg'), np.full((64, 64, 3), 90, np.uint8))
    torch.save(official_weights(), folder / 'official.pth')
    return folder


def official_weights():
    """Weights of a shipped network under official names."""
    with torch.device('meta'):
        shapes = our_network('res_18').state_dict()
    one = torch.tensor(0.5)  # each tensor is a single number in memory
    return to_official_state_dict(
        {key: one.expand(value.shape) for key, value in shapes.items()}
    )


def jobs(folder, out):
    tools = REPO / 'tools'
    return dict(
        convert=Job(
            [tools / 'convert_official.py', folder / 'official.pth', out / 'own.pth'],
            'own.pth',
            10_000,
        ),
        export=Job(
            [
                tools / 'export_onnx.py',
                folder / 'tiny.py',
                folder / 'own.pth',
                out / 'own.onnx',
            ],
            'own.onnx',
            1_000_000,
        ),
        predict=Job(
            [
                tools / 'predict_onnx.py',
                folder / 'own.onnx',
                folder / 'input',
                '--out-dir',
                out,
                '--score-thr',
                '1',
            ],
            'predictions.json',
            4_000,
        ),
        digits=Job(
            [
                REPO / 'dev/make_digits.py',
                out / 'digits',
                '--train',
                '2',
                '--val',
                '2',
            ],
            'digits/train.json',
            1_000,
        ),
    )


@pytest.mark.parametrize('when', ['half', 'rename'])
@pytest.mark.parametrize('name', ['convert', 'export', 'predict', 'digits'])
def test_the_previous_file_remains(name, when, folder, tmp_path):
    job = jobs(folder, tmp_path)[name]
    target = tmp_path / job.target
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(OLD)
    (target.parent / 'dataset.json').write_text('{}')
    killer = [REPO / 'tests/helpers/killing.py', job.size if when == 'half' else when]
    done = subprocess.run(
        [sys.executable, *map(str, [*killer, *job.command])],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        timeout=SECONDS,
    )
    expected = signal.SIGXFSZ if when == 'half' else signal.SIGKILL
    assert done.returncode == -expected, done.stderr.decode()
    assert target.read_bytes() == OLD
    run_python(*job.command, cwd=tmp_path)
    assert len(target.read_bytes()) > job.size
    assert not list(tmp_path.rglob('*.part'))
