"""The runner preprocesses images and detects objects as mmdet does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mmdet.apis import inference_detector
from mmdet.structures import DetDataSample
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from pycocotools.coco import COCO

from helpers.crop_pad import center_crop_pad
from helpers.exported import HAS_DEFORM_CONV, assert_same, lively_detector, small_config
from helpers.shared_data import shared_path
from helpers.tiny import REPO, tiny_config
from helpers.tool_modules import load_tool
from mmdet_centernet.export import describe_pipeline, export_onnx

SCRIPT = REPO / 'tools/predict_onnx.py'
PIXELS = 0.05
LOAD = dict(type='LoadImageFromFile')
FLOAT = dict(type='LoadImageFromFile', to_float32=True)
CROP_PAD = center_crop_pad(63)
PIPELINES = dict(
    as_it_is=[LOAD],
    resize_into=[LOAD, dict(type='Resize', scale=(333, 200), keep_ratio=True)],
    resize_to=[LOAD, dict(type='Resize', scale=(300, 170), keep_ratio=False)],
    resize_by=[LOAD, dict(type='Resize', scale_factor=0.7, keep_ratio=True)],
    resize_by_both=[LOAD, dict(type='Resize', scale_factor=(0.7, 1.2))],
    float_resize=[FLOAT, dict(type='Resize', scale=(333, 200), keep_ratio=True)],
    crop_pad=[FLOAT, CROP_PAD],
    resize_crop_pad=[FLOAT, dict(type='Resize', scale_factor=0.6), CROP_PAD],
    affine_pad=[LOAD, dict(type='CenterAffine', pad=31)],
    affine_fit=[LOAD, dict(type='CenterAffine', size=(320, 256))],
)
META_KEYS = ('ori_shape', 'img_shape', 'scale_factor', 'border', 'homography_matrix')


@pytest.fixture(scope='module')
def tool():
    return load_tool('predict_onnx.py')


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """Config of a narrow network, and the network."""
    path = tiny_config(tmp_path_factory.mktemp('tiny'))
    cfg = Config.fromfile(path)
    cfg.model.test_cfg = dict(topk=100, local_maximum_kernel=3)
    return cfg, lively_detector(cfg)


def write_model(cfg, detector, path, **options):
    classes = [f'class {i}' for i in range(detector.bbox_head.num_classes)]
    pipeline = describe_pipeline(get_test_pipeline_cfg(cfg))
    options.setdefault('grid_sample', not HAS_DEFORM_CONV)
    export_onnx(detector, path, pipeline=pipeline, classes=classes, **options)
    return path


def real_images(count):
    """Real images of different sizes; no side is a multiple of 32."""
    paths = sorted(shared_path('data/coco_open').rglob('*.jpg'))
    chosen = {}
    for path in paths:
        height, width = cv2.imread(str(path)).shape[:2]
        if height % 32 and width % 32:
            chosen.setdefault((height, width), path)
        if len(chosen) == count:
            break
    assert len(chosen) == count
    return list(chosen.values())


def with_pipeline(cfg, transforms):
    cfg = Config(cfg.to_dict())
    pack = dict(type='PackDetInputs', meta_keys=META_KEYS)
    cfg.test_dataloader.dataset.pipeline = [*transforms, pack]
    return cfg


def in_mmdet(detector, cfg, path):
    detector.cfg = cfg
    found = inference_detector(detector, str(path)).pred_instances
    found = found[found.scores > 0]
    return found.bboxes, found.scores, found.labels


@pytest.mark.parametrize('normalize', [False, True])
@pytest.mark.parametrize('name', PIPELINES)
def test_boxes_are_those_of_mmdet(name, normalize, tool, tiny, tmp_path):
    if normalize and name in ('float_resize', 'resize_crop_pad'):
        pytest.skip('uint8 images cannot hold what that pipeline gives')
    cfg, detector = tiny
    cfg = with_pipeline(cfg, PIPELINES[name])
    model = write_model(cfg, detector, tmp_path / 'm.onnx', normalize=normalize)
    runner = tool.Detector(model, threads=1)
    for path in real_images(3):
        (ours,) = runner([tool.read_image(path)])
        assert_same(ours, in_mmdet(detector, cfg, path), pixels=PIXELS)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['r18_dcn', 'official_r18_dcn', 'voc_r18_dcn'])
def test_shipped_configs_on_real_images(name, tool, tmp_path):
    cfg = small_config(name)
    detector = lively_detector(cfg)
    model = write_model(cfg, detector, tmp_path / 'm.onnx', normalize=True)
    runner = tool.Detector(model, threads=1)
    for path in real_images(2):
        (ours,) = runner([tool.read_image(path)])
        assert_same(ours, in_mmdet(detector, cfg, path), pixels=PIXELS)


def middle_gap(scores):
    """A threshold between middle scores, apart from rounding errors."""
    third = len(scores) // 3
    middle = scores.sort().values[third : 2 * third]
    widest = middle.diff().argmax()
    return middle[widest : widest + 2].mean().item()


def test_thresholds_of_the_config(tool, tiny, tmp_path, monkeypatch):
    cfg, detector = tiny
    paths = real_images(2)
    scores = [in_mmdet(detector, cfg, path)[1] for path in paths]
    settings = dict(score_thr=middle_gap(torch.cat(scores)), clip_border=True)
    monkeypatch.setattr(
        detector.bbox_head,
        'test_settings',
        detector.bbox_head.test_settings | settings,
    )
    model = write_model(cfg, detector, tmp_path / 'm.onnx', normalize=True)
    for path, all_scores in zip(paths, scores, strict=True):
        (ours,) = tool.Detector(model)([tool.read_image(path)])
        theirs = in_mmdet(detector, cfg, path)
        assert len(theirs[1]) < len(all_scores)
        assert_same(ours, theirs, pixels=PIXELS)


@pytest.fixture(scope='module')
def model(tiny, tmp_path_factory):
    """A model for uint8 images, resized to 96 pixels."""
    cfg, detector = tiny
    resize = dict(type='Resize', scale=(96, 96), keep_ratio=True)
    cfg = with_pipeline(cfg, [LOAD, resize])
    path = tmp_path_factory.mktemp('model') / 'm.onnx'
    return write_model(cfg, detector, path, normalize=True)


@pytest.fixture(scope='module')
def image_folder(tmp_path_factory):
    """A folder with images of two sizes."""
    folder = tmp_path_factory.mktemp('images')
    random = np.random.default_rng(0)
    for index in range(5):
        shape = (60, 80, 3) if index % 2 else (90, 70, 3)
        noise = random.integers(0, 256, shape, dtype=np.uint8)
        cv2.imwrite(str(folder / f'{index}.png'), cv2.blur(noise, (5, 5)))
    (folder / 'notes.txt').write_text('no image')
    return folder


@pytest.fixture
def predict(tool, monkeypatch, capsys, tmp_path):
    """Runs the script in this process; returns what it wrote."""

    def run(model, images, *options):
        command = [model, images, '--out-dir', tmp_path / 'out', *options]
        monkeypatch.setattr('sys.argv', ['predict_onnx.py', *map(str, command)])
        tool.main()
        return json.loads((tmp_path / 'out/predictions.json').read_text())

    return run


def test_results_are_a_coco_data_set(model, image_folder, predict, tmp_path):
    results = predict(model, image_folder)
    coco = COCO(tmp_path / 'out/predictions.json')
    assert [one['name'] for one in results['categories']] == ['class 0', 'class 1']
    assert [one['file_name'] for one in results['images']] == [
        f'{i}.png' for i in range(5)
    ]
    assert len(coco.getAnnIds(imgIds=[3])) > 20
    for one in results['annotations']:
        _, _, width, height = one['bbox']
        assert one['area'] == pytest.approx(width * height)
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        *(f'{i}.png' for i in range(5)),
        'predictions.json',
    ]


def test_confident_boxes_are_drawn(model, image_folder, predict, tmp_path):
    predict(model, image_folder / '0.png', '--score-thr', 0.1)
    drawn, original = (
        cv2.imread(str(f / '0.png')) for f in (tmp_path / 'out', image_folder)
    )
    assert (drawn != original).any()
    predict(model, image_folder / '0.png', '--score-thr', 1)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / 'out/0.png')), original)


def test_batches_change_nothing(model, image_folder, predict):
    alone, together = (
        predict(model, image_folder, '--batch-size', size) for size in (1, 2)
    )

    def by_image(results):
        boxes = {}
        for one in results['annotations']:
            boxes.setdefault(one['image_id'], []).append([*one['bbox'], one['score']])
        return boxes

    alone, together = by_image(alone), by_image(together)
    assert alone.keys() == together.keys()
    for image_id, boxes in alone.items():
        np.testing.assert_allclose(together[image_id], boxes, rtol=0, atol=1e-3)


CATEGORIES = [dict(id=9, name='class 1'), dict(id=4, name='class 0')]


@pytest.fixture
def truth(tmp_path):
    """Writes annotations without boxes, of images by id."""

    def write(images, categories=CATEGORIES):
        listed = [dict(id=key, file_name=name) for key, name in images.items()]
        content = dict(images=listed, categories=categories, annotations=[])
        path = tmp_path / 'truth.json'
        path.write_text(json.dumps(content))
        return path

    return write


def test_ids_of_an_annotation_file(model, image_folder, predict, truth, capsys):
    path = truth({71: '1.png', 73: './3.png'})
    results = predict(model, image_folder, '--annotations', path)
    assert [one['id'] for one in results['images']] == [71, 73]
    assert {one['category_id'] for one in results['annotations']} == {4, 9}
    assert results['categories'][1] == dict(id=9, name='class 1')
    evaluated = COCO(path).loadRes(results['annotations'])
    assert len(evaluated.anns) == len(results['annotations'])
    assert 'truth.json (3): 0.png, 2.png, 4.png' in capsys.readouterr().err


def test_an_image_that_is_listed_twice(model, image_folder, predict, truth):
    path = truth({1: '1.png', 77: '1.png', 2: '2.png'})
    results = predict(model, image_folder, '--annotations', path)
    assert [one['id'] for one in results['images']] == [1, 77, 2]
    once, again = (
        [one['bbox'] for one in results['annotations'] if one['image_id'] == key]
        for key in (1, 77)
    )
    assert once == again != []


def test_images_that_are_not_there(
    model, image_folder, predict, truth, capsys, tmp_path
):
    path = truth({1: '1.png', 2: 'gone.png', 3: '../elsewhere.png'})
    (image_folder.parent / 'elsewhere.png').write_bytes(
        (image_folder / '1.png').read_bytes()
    )
    with pytest.raises(SystemExit) as ended:
        predict(model, image_folder, '--annotations', path)
    assert ended.value.code == 3
    printed = capsys.readouterr()
    assert 'not in the folder (2): gone.png, ../elsewhere.png' in printed.err
    results = json.loads((tmp_path / 'out/predictions.json').read_text())
    assert [one['id'] for one in results['images']] == [1]


def test_one_image_of_an_annotation_file(model, image_folder, predict, truth, capsys):
    path = truth({5: '1.png', 6: 'gone.png'})
    results = predict(model, image_folder / '1.png', '--annotations', path)
    assert [one['id'] for one in results['images']] == [5]
    assert not capsys.readouterr().err


@pytest.fixture
def nested(image_folder, tmp_path):
    """Folders with images of the same name, and one beside them."""
    root = tmp_path / 'nested'
    for place, name in {'a/x.png': 0, 'b/c/x.png': 1, 'x.png': 2}.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes((image_folder / f'{name}.png').read_bytes())
    return root


def test_folders_in_the_folder(model, nested, predict, truth, tmp_path):
    found = {}
    for options in ((), ('--annotations', truth({1: 'b/c/x.png', 2: 'a/x.png'}))):
        results = predict(model, nested, '--score-thr', 1, *options)
        for image in results['images']:
            boxes = [
                one['bbox']
                for one in results['annotations']
                if one['image_id'] == image['id']
            ]
            assert found.setdefault(image['file_name'], boxes) == boxes
    assert sorted(found) == ['a/x.png', 'b/c/x.png', 'x.png']
    assert len(set(map(str, found.values()))) == 3
    for name in found:
        np.testing.assert_array_equal(
            cv2.imread(str(tmp_path / 'out' / name)), cv2.imread(str(nested / name))
        )


def test_results_within_the_folder_of_images(model, nested, predict):
    for _ in range(2):  # what the first time wrote is not read
        with pytest.raises(FileNotFoundError):  # the fixture looks elsewhere
            predict(model, nested, '--out-dir', nested / 'out')
        content = json.loads((nested / 'out/predictions.json').read_text())
        assert len(content['images']) == 3
    with pytest.raises(SystemExit, match='holds the images'):
        predict(model, nested, '--out-dir', nested / 'a')


def test_names_that_begin_further_up(model, nested, predict, truth):
    path = truth({1: 'b/c/x.png'})
    with pytest.raises(SystemExit, match=r'those in .*/nested, such as b/c/x\.png'):
        predict(model, nested / 'b', '--annotations', path)
    path = truth({1: 'q/x.png'})
    with pytest.raises(SystemExit, match=r'q/x\.png: give the folder that'):
        predict(model, nested, '--annotations', path)


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('\ufeff{"images": [], "categories": []}', 'is not JSON in UTF-8'),
        ('{"images": [', 'is not JSON in UTF-8'),
        ('[]', "has no list of 'images'"),
        ('{"images": []}', "has no list of 'categories'"),
        ('{"images": {}, "categories": []}', "has no list of 'images'"),
        ('{"images": [7], "categories": []}', r'images\[0\] has no id and file_name'),
        ('{"images": [{"id": 1}], "categories": []}', r'images\[0\] has no id and'),
        (
            '{"images": [{"id": [], "file_name": ""}], "categories": []}',
            r'images\[0\] has',
        ),
        ('{"images": [], "categories": [{"id": 1}]}', r'categories\[0\] has no id'),
        ('{"images": [], "categories": []}', 'has none of the images'),
    ],
)
def test_annotations_that_are_none(text, says, model, image_folder, predict, tmp_path):
    (tmp_path / 'truth.json').write_text(text, encoding='utf-8')
    with pytest.raises(SystemExit, match=rf'truth\.json:? {says}'):
        predict(model, image_folder, '--annotations', tmp_path / 'truth.json')
    assert not (tmp_path / 'out').exists()


def test_annotations_that_are_ambiguous(model, image_folder, predict, truth):
    path = truth({1: '1.png'}, [*CATEGORIES, dict(id=5, name='class 0')])
    with pytest.raises(SystemExit, match=r"1 categories have the name .* 'class 0'"):
        predict(model, image_folder, '--annotations', path)
    path = truth({1: '1.png'}, [*CATEGORIES, dict(id=4, name='class 2')])
    with pytest.raises(SystemExit, match=r'1 categories have the id .* 4'):
        predict(model, image_folder, '--annotations', path)


def test_no_annotations(model, image_folder, predict, tmp_path):
    with pytest.raises(SystemExit, match=r'nothing\.json'):
        predict(model, image_folder, '--annotations', tmp_path / 'nothing.json')


@pytest.fixture
def mixed(image_folder, tmp_path):
    """A folder of two images and other files."""
    folder = tmp_path / 'mixed'
    folder.mkdir()
    image = cv2.imread(str(image_folder / '1.png'))
    cv2.imwrite(str(folder / 'a.png'), image)
    cv2.imwrite(str(folder / 'z.png'), image)
    (folder / 'broken.jpg').write_bytes(b'\xff\xd8\xff broken')
    (folder / 'empty.png').write_bytes(b'')
    cv2.imwrite(str(folder / 'thin.png'), np.zeros((1, 900, 3), np.uint8))
    (folder / 'list.txt').write_text('no image')
    return folder


@pytest.mark.parametrize('batch_size', [1, 4])
def test_one_bad_file_loses_nothing(
    batch_size, model, mixed, predict, capsys, tmp_path
):
    with pytest.raises(SystemExit) as ended:
        predict(model, mixed, '--batch-size', batch_size)
    assert ended.value.code == 3
    results = json.loads((tmp_path / 'out/predictions.json').read_text())
    assert [one['file_name'] for one in results['images']] == ['a.png', 'z.png']
    printed = capsys.readouterr()
    assert '2 images, results in' in printed.out
    assert '3 of 5 images failed:' in printed.err
    assert 'broken.jpg: cannot be read as an image' in printed.err
    assert 'empty.png: cannot be read as an image' in printed.err
    assert 'thin.png: ' in printed.err
    assert 'OpenCV cannot read as images (1): list.txt' in printed.err


def test_an_image_that_the_network_does_not_take(
    model, mixed, predict, capsys, monkeypatch, tool, tmp_path
):
    def run(self, inputs):
        if len(inputs) > 1:
            raise ValueError('onnxruntime cannot run the network: too many')
        return original(self, inputs)

    original = tool.Detector.run
    monkeypatch.setattr(tool.Detector, 'run', run)
    with pytest.raises(SystemExit):
        predict(model, mixed, '--batch-size', 2)  # the batch failed, each did not
    results = json.loads((tmp_path / 'out/predictions.json').read_text())
    assert len(results['images']) == 2


def test_only_bad_files(model, mixed, predict, tmp_path):
    for name in ('a.png', 'z.png'):
        (mixed / name).unlink()
    with pytest.raises(SystemExit, match=r'broken\.jpg: cannot.*, and 2 more fail'):
        predict(model, mixed)
    assert not (tmp_path / 'out').exists()


def test_every_kind_of_file_that_opencv_reads(model, image_folder, predict, tmp_path):
    folder = tmp_path / 'kinds'
    folder.mkdir()
    image = cv2.imread(str(image_folder / '1.png'))
    for suffix in ('jpg', 'jpe', 'png', 'bmp', 'dib', 'webp', 'ppm', 'ras', 'tif'):
        cv2.imwrite(str(folder / f'a.{suffix}'), image)
    (folder / 'b.jfif').write_bytes((folder / 'a.jpg').read_bytes())
    (folder / 'c.PNG').write_bytes((folder / 'a.png').read_bytes())
    (folder / 'no_suffix').write_bytes((folder / 'a.png').read_bytes())
    results = predict(model, folder, '--score-thr', 1)
    names = {path.name for path in folder.iterdir()}
    assert {one['file_name'] for one in results['images']} == names
    written = {path.name for path in (tmp_path / 'out').iterdir()}
    assert {'a.jpg', 'c.PNG', 'b.jfif.png', 'a.ppm.png', 'no_suffix.png'} <= written
    assert len(written) == len(names) + 1


@pytest.mark.parametrize('normalize', [False, True])
def test_a_model_of_one_size(normalize, tool, tiny, image_folder, predict, tmp_path):
    """Images are padded to it, as mmdet pads the smaller images of a batch."""
    cfg, detector = tiny
    resize = dict(type='Resize', scale=(90, 80), keep_ratio=True)
    cfg = with_pipeline(cfg, [LOAD, resize])
    options = dict(normalize=normalize, static=(96, 128))
    model = write_model(cfg, detector, tmp_path / 'm.onnx', **options)
    runner = tool.Detector(model)
    for path in sorted(image_folder.glob('*.png'))[:2]:
        image = tool.read_image(path)
        (ours,) = runner([image])
        pixels, matrix = runner.preprocess(image)
        largest = np.zeros((96, 128, 3), np.uint8)
        expected = in_mmdet_batch(detector, [pixels, largest], matrix)
        assert_same(ours, expected, **(dict(pixels=2, score=0.03) if normalize else {}))
    assert len(predict(model, image_folder, '--batch-size', 3)['images']) == 5


def in_mmdet_batch(detector, images, matrix):
    """mmdet's detections in the first image of a batch, in pixels of the original."""
    inputs = [torch.from_numpy(image).permute(2, 0, 1) for image in images]
    shapes = [image.shape[:2] for image in images]
    samples = [DetDataSample(metainfo=dict(img_shape=s, ori_shape=s)) for s in shapes]
    with torch.no_grad():
        found = detector.test_step(dict(inputs=inputs, data_samples=samples))[0]
    found = found.pred_instances
    found = found[found.scores > 0]
    scale = torch.tensor(np.diag(matrix)[[0, 1, 0, 1]], dtype=torch.float32)
    return found.bboxes / scale, found.scores, found.labels


def test_an_image_that_is_larger_than_the_model(tiny, image_folder, predict, tmp_path):
    cfg = with_pipeline(tiny[0], [LOAD])
    model = write_model(cfg, tiny[1], tmp_path / 'm.onnx', static=(64, 96))
    with pytest.raises(SystemExit, match=r'0\.png: .*90 x 70 pixels.*64 x 96'):
        predict(model, image_folder / '0.png')


def test_annotations_of_other_classes(model, image_folder, predict, tmp_path):
    truth = dict(
        images=[dict(id=1, file_name='1.png')],
        categories=[dict(id=1, name='car')],
        annotations=[],
    )
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    with pytest.raises(SystemExit, match='annotations have car'):
        predict(model, image_folder, '--annotations', tmp_path / 'truth.json')


def rewrite(model, path, version):
    """The model with another format version, or none."""
    content = onnx.load(model)
    metadata = {one.key: one.value for one in content.metadata_props}
    metadata.pop('mmdet_centernet')
    if version is not None:
        metadata['mmdet_centernet'] = version
    onnx.helper.set_model_props(content, metadata)
    onnx.save(content, path)
    return path


def test_a_model_of_someone_else(model, image_folder, predict, tmp_path):
    other = rewrite(model, tmp_path / 'other.onnx', None)
    with pytest.raises(SystemExit, match=r'not written by mmdet_centernet export-onnx'):
        predict(other, image_folder)


def test_a_model_of_another_time(model, image_folder, predict, tmp_path):
    old = rewrite(model, tmp_path / 'old.onnx', '0')
    with pytest.raises(SystemExit, match=r'has format 0, .* Export it again'):
        predict(old, image_folder)


def test_no_model(image_folder, predict, tmp_path):
    with pytest.raises(SystemExit, match='there is no file'):
        predict(tmp_path / 'nothing.onnx', image_folder)
    (tmp_path / 'text.onnx').write_text('text')
    with pytest.raises(SystemExit, match=r'cannot run .*text\.onnx'):
        predict(tmp_path / 'text.onnx', image_folder)


def test_no_images(model, image_folder, predict, tmp_path):
    with pytest.raises(SystemExit, match='there is no image in'):
        predict(model, tmp_path)
    with pytest.raises(SystemExit, match=r'notes\.txt: cannot be read'):
        predict(model, image_folder / 'notes.txt')


def test_images_are_not_overwritten(model, image_folder, predict):
    with pytest.raises(SystemExit, match='holds the images'):
        predict(model, image_folder, '--out-dir', image_folder)


def test_without_torch_and_mmdet(model, image_folder, tmp_path):
    """Python with no packages but links to the three that the runner needs."""
    packages = tmp_path / 'packages'
    packages.mkdir()
    for module in (np, cv2, onnxruntime):
        folder = Path(module.__file__).parent
        for part in (folder, *folder.parent.glob('*.libs')):
            if not (packages / part.name).exists():
                (packages / part.name).symlink_to(part)

    def python(*command):
        return subprocess.run(
            [sys.executable, '-S', *map(str, command)],
            env=dict(PYTHONPATH=str(packages), PATH=os.environ['PATH']),
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    for missing in ('torch', 'mmdet', 'mmcv', 'mmengine', 'onnx'):
        assert (
            f"No module named '{missing}'" in python('-c', f'import {missing}').stderr
        )
    done = python(SCRIPT, model, image_folder, '--out-dir', 'out')
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'out/predictions.json').exists()
