"""Broken images are those that mmdet cannot read."""

import cv2
import numpy as np
import pytest
from mmdet.registry import TRANSFORMS
from mmengine.utils import digit_version
from PIL import ExifTags, Image

from helpers.images import draw_images, write_coco
from mmdet_centernet.data_report.image_findings import check_images
from mmdet_centernet.data_report.images import (
    broken_images,
    find_duplicates,
    other_sizes,
    upright_size,
)
from mmdet_centernet.data_report.readers import read_annotations, read_splits


def mmdet_reads(path, **cfg):
    loader = TRANSFORMS.build(dict(dict(type='LoadImageFromFile'), **cfg))
    try:
        return loader(dict(img_path=str(path), img_id=0))['img'] is not None
    except Exception:
        return False


@pytest.mark.parametrize('suffix', ['png', 'bmp', 'ppm', 'tiff', 'webp', 'hdr', 'ras'])
def test_images_that_opencv_reads_are_not_broken(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    pixels = np.full((20, 30, 3), 90, np.float32 if suffix == 'hdr' else np.uint8)
    cv2.imwrite(str(path), pixels)
    assert mmdet_reads(path)
    assert broken_images([str(path)]) == {}


@pytest.mark.parametrize('suffix', ['ico', 'tga', 'gif'])
def test_images_that_only_pillow_reads_are_broken(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    Image.new('RGB', (16, 16), 'red').save(path)
    assert (broken_images([str(path)]) == {}) == mmdet_reads(path)


@pytest.mark.parametrize('decoder', ['cv2', 'pillow'])
def test_decoder_of_the_pipeline_decides(tmp_path, decoder):
    path = tmp_path / 'images/000000.jpg'  # another format under this name
    write_coco(tmp_path, draw_images(('square',)), ('square',))
    Image.new('RGB', (64, 64), 'red').save(path, format='PCX')
    load = dict(type='LoadImageFromFile', imdecode_backend=decoder)
    assert mmdet_reads(path, **load) == (decoder == 'pillow')
    cfg = dict(
        type='CocoDataset',
        ann_file=str(tmp_path / 'annotations.json'),
        data_prefix=dict(img=str(tmp_path / 'images')),
        metainfo=dict(classes=('square',)),
        pipeline=[load],
    )
    (file,) = read_annotations(cfg)
    splits = read_splits(dict(train_dataloader=dict(dataset=cfg)))
    for one in (file, *splits.files['train']):
        found = check_images(one)
        assert [str(path) in text for text in found] == [True] * (decoder == 'cv2')


@pytest.mark.parametrize(
    'content', [b'', b'\x89PNG\r\n\x1a\n', b'BM', b'GIF89a', b'II*\0']
)
def test_truncated_files_are_broken(tmp_path, content):
    path = tmp_path / 'a.png'
    path.write_bytes(content)
    assert not mmdet_reads(path)
    assert list(broken_images([str(path)])) == [str(path)]
    assert other_sizes([str(path)], np.array([[3, 3]])) == {}


@pytest.mark.parametrize(
    'suffix',
    [
        'jpg',
        'png',
        'tiff',
        pytest.param(
            'webp',
            marks=pytest.mark.skipif(
                digit_version(cv2.__version__) < digit_version('5.0'),
                reason='this OpenCV may ignore EXIF in WebP files, as 4.11 does',
            ),
        ),
    ],
)
@pytest.mark.parametrize('orientation', [3, 6])
def test_exif_rotates_images_as_in_opencv(tmp_path, suffix, orientation):
    path = str(tmp_path / f'a.{suffix}')
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new('RGB', (30, 20)).save(path, exif=exif)
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)  # as mmcv
    assert upright_size(path) == image.shape[1::-1]


def test_image_above_the_limit_of_pillow(tmp_path, monkeypatch):
    path = tmp_path / 'a.png'
    Image.new('RGB', (64, 64)).save(path)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    assert mmdet_reads(path)
    assert broken_images([str(path)]) == {}


@pytest.mark.parametrize('name', ['a' * 300, 'a\0b', '\udcff'])
def test_invalid_file_names_are_skipped(name):
    assert broken_images([name]) == {}
    assert other_sizes([name], np.array([[3, 3]])) == {}
    assert find_duplicates(dict(train=[name], val=[name])) == []


def test_empty_files_are_no_duplicates(tmp_path):
    for name in 'ab':
        (tmp_path / name).touch()
    assert find_duplicates(dict(a=[str(tmp_path / 'a')], b=[str(tmp_path / 'b')])) == []
