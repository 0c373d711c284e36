import json
import shutil

import cv2
import pytest
from scripts import run_python
from tiny import REPO, tiny_config

pytestmark = pytest.mark.slow

TOOL = REPO / 'tools/browse_targets.py'


@pytest.fixture
def config(tmp_path):
    return tiny_config(tmp_path)


def browse(config, *options, **kwargs):
    return run_python(TOOL, config, *options, cwd=config.parent, **kwargs)


def test_pictures_plot_and_report(config):
    printed = browse(config, '--pictures', '2', '--out-dir', 'seen')
    seen = config.parent / 'seen'
    pictures = sorted((seen / 'pictures').iterdir())
    assert len(pictures) == 2
    assert all(cv2.imread(str(path)).shape[1] == 2 * 384 for path in pictures)
    assert cv2.imread(str(seen / 'summary.png')) is not None
    report = (seen / 'report.txt').read_text()
    assert report in printed
    assert '4 images, 8 boxes, of which 0 are left out' in report
    assert 'on 4 images:\n    16 x 16 cells' in report


def test_faults_of_a_dataset_are_named(config):
    folder = config.parent
    content = json.loads((folder / 'annotations.json').read_text())
    content['annotations'][0]['bbox'][2] = 0
    content['annotations'] = [
        note for note in content['annotations'] if note['category_id'] == 1
    ]
    # One validation image is a training image under another name.
    shutil.copy(folder / 'images/000001.jpg', folder / 'images/other.jpg')
    content['images'] = [dict(content['images'][0], file_name='other.jpg')]
    content['annotations'] = [n for n in content['annotations'] if n['image_id'] == 0]
    (folder / 'val.json').write_text(json.dumps(content))
    printed = browse(
        config, '--cfg-options', 'val_dataloader.dataset.ann_file=val.json'
    )
    assert '1 boxes are left out: no width or height (other.jpg)' in printed
    assert 'val: 2 of 2 classes have no example' in printed
    assert '1 images are in train and val alike' in printed
    assert 'work_dirs/targets/tiny/' in printed


def test_an_input_that_is_too_small_is_named(config):
    options = ('--cfg-options', 'model.bbox_head.stride=32')
    assert 'thinner than a cell: the network input is too small' in browse(
        config, *options
    )


def test_a_config_without_our_head_is_refused(config):
    options = ('--cfg-options', 'model.bbox_head.type=CenterNetHead')
    printed = browse(config, *options, check=False)
    assert 'model.bbox_head is no CTDetHead' in printed
    assert 'Traceback' not in printed
