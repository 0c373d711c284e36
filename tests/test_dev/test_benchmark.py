"""What the benchmark compares is the same work; what it says is what it measured."""

import json
import sys
import time
import warnings

import pytest
import torch

from helpers.scripts import run_python
from helpers.tiny import REPO
from helpers.tool_modules import load_tool

TOOL = REPO / 'dev/benchmark'
SMALL = [
    *('--images', '2', '--classes', '3', '--cells', '16'),
    *('--objects', '6', '--repeats', '1'),
]


@pytest.fixture(scope='module')
def tool():
    return load_tool('benchmark/__main__.py', folder='dev')


def part(name):
    """A module of the benchmark, once it was loaded."""
    return sys.modules[name]


def test_both_heads_find_the_same_losses_and_boxes(tool):
    heads = part('heads')
    load = heads.Workload(images=2, classes=3, cells=32, objects=9)
    batch = heads.draw_batch(load)
    ours, stock = heads.build_heads(load)
    maps = [batch.wh], [batch.offset], batch.gt, batch.metas
    with torch.no_grad():
        losses = ours.loss_by_feat([batch.logits], *maps)
        expected = stock.loss_by_feat([batch.logits.sigmoid()], *maps)
    assert sum(map(len, batch.gt)) == 9
    for name, loss in expected.items():
        torch.testing.assert_close(losses[name], loss, rtol=1e-4, atol=1e-6)
    runs = heads.decode_runs(load)
    for mine, theirs in zip(runs['ours'](), runs['stock'](), strict=True):
        torch.testing.assert_close(mine.bboxes, theirs.bboxes)
        torch.testing.assert_close(mine.scores, theirs.scores)


def test_both_detectors_have_the_same_weights(tool):
    ours, stock = part('networks').build_detectors('ResNet-18', 'cpu').values()
    assert type(ours.bbox_head) is not type(stock.bbox_head)
    expected = stock.state_dict()
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, expected[name]), name


def test_stages_are_a_whole_training_step(tool):
    step = part('networks').train_runs('ResNet-18', 1, 'cpu')['ours']
    seen = []
    handle = step.model.backbone.conv1.weight.register_hook(seen.append)
    shares = step.shares()
    handle.remove()
    assert len(seen) == 1
    assert min(shares.values()) > 0


def test_time_is_that_of_the_middle_run(tool):
    pauses = iter((0.3, 0.0, 0.2, 0.05))
    seconds = part('clock').alternate({'run': lambda: time.sleep(next(pauses))}, 3)
    assert 0.05 <= seconds['run'] < 0.2


@pytest.mark.skipif(sys.platform != 'linux', reason='memory is read as Linux counts it')
def test_memory_is_that_of_the_run():
    load_tool('benchmark/__main__.py', folder='dev')
    megabytes = 2**20

    def run():
        torch.ones(128 * megabytes, dtype=torch.uint8)
        torch.ones(256 * megabytes, dtype=torch.uint8)

    peak = part('clock').peak_bytes(run, 'cpu') / megabytes
    assert 250 < peak < 300


@pytest.mark.slow
def test_table_and_file_tell_the_same(tmp_path):
    groups = 'losses', 'decoding', 'pipeline'
    text = run_python(TOOL, *groups, *SMALL, '--out', tmp_path, cwd=REPO)
    rows = json.loads((tmp_path / 'benchmark.json').read_text())['rows']
    printed = [line for line in text.splitlines() if line.startswith('decode')]
    decoding = next(row for row in rows if row['what'] == 'decode')
    assert f'{decoding["ours"]:.3g} ms' in printed[0]
    assert f'{decoding["stock"] / decoding["ours"]:.1f}' in printed[0]


@pytest.mark.slow
def test_unknown_group_is_named(tmp_path):
    text = run_python(TOOL, 'speed', cwd=tmp_path, check=False)
    assert 'no group speed: losses, decoding' in text


def test_accelerator_rows_cover_objects_and_precisions(tool, monkeypatch, tmp_path):
    measures = part('measures')
    # Compilation takes minutes; the slow test below compiles.
    focal = dict(eager=lambda: None, compiled=lambda: 1 / 0)
    monkeypatch.setattr(measures, 'focal_runs', lambda load: focal)
    options = measures.Options(
        device='cpu',
        dtype=torch.float32,
        images=1,
        classes=2,
        cells=32,
        objects=2,
        repeats=1,
        photos=None,
        scratch=tmp_path,
    )
    rows = list(measures.measure_accelerator(options))
    times = {row['what']: row for row in rows if row['what'].startswith('loss, ')}
    assert len(times) == 3 * 3
    assert 'loss, 200 objects an image, bfloat16' in times
    for name, row in times.items():
        assert row['ours'] > 0
        assert ('stock' in row) == name.endswith('float32')
    syncs = [row for row in rows if row['what'] == '  syncs of a batch']
    assert len(syncs) == 9
    assert all(row['ours'] is None for row in syncs)  # no GPU
    eager, compiled = rows[-2:]
    assert eager['what'] == 'focal loss, eager'
    assert eager['ours'] > 0
    assert compiled['what'].startswith('focal loss, compiled: ZeroDivisionError')


def test_small_objects_where_there_are_many(tool):
    heads, accelerator = part('heads'), part('accelerator')
    crowds = accelerator.loads(heads.Workload(images=2))
    sizes = {}
    for count in (7, 200):
        load = crowds[f'{count} objects an image, float32']
        boxes = torch.cat([one.bboxes for one in heads.draw_batch(load).gt])
        assert len(boxes) == 2 * count
        sizes[count] = (boxes[:, 2:] - boxes[:, :2]).max().item()
    assert sizes[200] <= 48 < sizes[7]


def test_syncs_are_counted_by_their_warnings(tool, monkeypatch):
    modes = []
    monkeypatch.setattr(torch.cuda, 'set_sync_debug_mode', modes.append)

    def run():
        if modes:
            warnings.warn('called a synchronizing CUDA operation (at x)', stacklevel=1)
            warnings.warn('called a synchronizing CUDA operation (at x)', stacklevel=1)
            warnings.warn('deprecated', stacklevel=1)

    assert part('accelerator').count_syncs(run, 'cuda') == 2
    assert modes == ['warn', 'default']
    assert part('accelerator').count_syncs(run, 'cpu') is None


def test_options_change_a_training_step_by_rounding_only(tool):
    losses = {
        name: run()['loss'].item()
        for name, run in part('options').option_runs().items()
    }
    assert list(losses) == [
        'no option',
        'channels_last',
        'bfloat16',
        'channels_last, bfloat16',
    ]
    expected = losses['no option']
    assert losses['channels_last'] == pytest.approx(expected, rel=1e-4)
    assert losses['bfloat16'] == pytest.approx(expected, rel=0.02)


def test_a_loader_gives_all_samples(tool, tmp_path):
    pipelines = part('pipelines')
    runs = pipelines.loader_runs(tmp_path, None)
    assert set(runs) == {'ours', 'stock'}
    expected = pipelines.IMAGES * pipelines.LOADER_PASSES
    assert runs['ours']() == runs['ours'].count == expected


def test_a_missing_compiler_is_reported_in_the_table(tool):
    def run():
        raise RuntimeError('no C++ compiler\nmore')

    row = part('measures')._compiled_row('focal loss, compiled', run, 1)
    line = part('table').format_row(row)
    assert 'focal loss, compiled: RuntimeError: no C++ compiler' in line


@pytest.mark.slow
def test_accelerator_report_runs_on_a_cpu(tmp_path):
    text = run_python(TOOL, 'accelerator', *SMALL, '--out', tmp_path, cwd=REPO)
    assert 'loss, 50 objects an image, float16' in text
    assert 'focal loss, compiled' in text
