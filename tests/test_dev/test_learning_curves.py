"""dev/plots/learning_curves.py."""

import json
import sys

import numpy as np
import pytest

from plots import learning_curves

METRICS = ('bbox_mAP', 'bbox_mAP_50', 'bbox_mAP_75', 'bbox_mAP_s')


def write_run(folder, curve):
    """A work directory of mmengine; all metrics follow from the AP of each epoch."""
    lines = [dict(loss=1.0, epoch=1, iter=10, step=10)]
    for epoch, ap in curve.items():
        values = {f'coco/{name}': ap + 0.1 * i for i, name in enumerate(METRICS)}
        lines.append(dict(values, step=epoch, time=0.1))
    log = folder / '20260101_000000/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    return folder


def test_all_seeds_are_read(tmp_path):
    folders = [
        write_run(tmp_path / str(seed), {4: 0.1 + seed, 8: 0.2 + seed})
        for seed in range(3)
    ]
    epochs, values = learning_curves.read_runs(folders)
    assert epochs == [4, 8]
    assert values.shape == (3, 2, 4)
    np.testing.assert_allclose(values[:, 1, 0], [0.2, 1.2, 2.2])
    np.testing.assert_allclose(values[0, 0], [0.1, 0.2, 0.3, 0.4])


def test_table_and_plot(tmp_path, capsys, monkeypatch):
    for seed, ap in enumerate((0.3, 0.4)):
        write_run(tmp_path / str(seed), {4: 0.1, 8: ap})
    runs = f'fast={tmp_path / "0"},{tmp_path / "1"}'
    out = tmp_path / 'plots/curves.png'
    monkeypatch.setattr(sys, 'argv', ['learning_curves.py', str(out), runs])
    learning_curves.main()
    (row,) = [line for line in capsys.readouterr().out.splitlines() if 'fast' in line]
    assert row.split()[1:5] == ['2', '8', '0.350', '(0.300-0.400)']
    assert out.read_bytes().startswith(b'\x89PNG')


def test_runs_of_different_length(tmp_path):
    folders = [write_run(tmp_path / 'a', {4: 0.1}), write_run(tmp_path / 'b', {8: 0.1})]
    with pytest.raises(SystemExit, match='same length'):
        learning_curves.read_runs(folders)


def test_a_folder_without_runs(tmp_path):
    with pytest.raises(SystemExit, match='no run with a validation'):
        learning_curves.read_runs([tmp_path])
