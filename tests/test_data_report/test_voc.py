"""XML files that mmdet cannot read or reads wrongly are reported."""

import pytest
from mmdet.datasets import VOCDataset

from helpers.images import draw_images, write_voc
from mmdet_centernet.data_report.annotation_findings import check_file
from mmdet_centernet.data_report.annotations import KEPT, drop_reasons
from mmdet_centernet.data_report.findings import Fault
from mmdet_centernet.data_report.readers import read_annotations

CLASSES = VOCDataset.METAINFO['classes']
LIST = 'VOC2007/ImageSets/Main/trainval.txt'


@pytest.fixture
def folder(tmp_path):
    write_voc(tmp_path, draw_images(CLASSES))
    return tmp_path


def options(folder):
    return dict(
        data_root=str(folder),
        ann_file=LIST,
        data_prefix=dict(sub_data_root='VOC2007/'),
    )


def read(folder):
    (file,) = read_annotations(dict(type='VOCDataset', **options(folder)))
    return file


def spoil(folder, old, new, name='000001'):
    path = folder / f'VOC2007/Annotations/{name}.xml'
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return str(path)


BOX = '<bndbox><xmin>'
FAULTS = [
    ('</annotation>', '', 'is no XML'),
    ('<annotation>', '', 'is no XML'),
    ('<width>64</width>', '', 'has a size without width'),
    ('<width>64<', '<width>wide<', "has the width 'wide'; it has to be a whole number"),
    ('<width>64<', '<width>64.0<', "has the width '64.0'"),
    ('<width>64<', '<width><', "has the width ''"),
    ('<name>bird</name>', '', 'has an object without name'),
    ('<difficult>0<', '<difficult>no<', "difficult 'no'; it has to be 0 or 1"),
    ('<difficult>0<', '<difficult><', "difficult ''"),
    (BOX, '<other><xmin>', 'is no XML'),
    ('<ymax>', '<top>1</top><ymax>x', "has a bird with ymax 'x"),
    ('<xmin>', '<xmin>nan', "xmin 'nan"),
    ('<xmin>', '<xmin></xmin><was>', 'is no XML'),
]


@pytest.mark.parametrize(('old', 'new', 'words'), FAULTS)
def test_xml_that_mmdet_cannot_read_is_reported(folder, old, new, words):
    path = spoil(folder, old, new)
    with pytest.raises(Exception):  # noqa: B017, of many types
        VOCDataset(**options(folder))
    file = read(folder)
    (text,) = file.findings
    assert isinstance(text, Fault)
    assert text.startswith(f'{file.source}: {path} (line 2)')
    assert words in text
    assert len(file.image_paths) == 3  # the others are read


@pytest.mark.parametrize('shape', ['polygon', 'robndbox'])
def test_other_shapes_than_boxes(folder, shape):
    path = folder / 'VOC2007/Annotations/000001.xml'
    text = path.read_text().replace('bndbox>', f'{shape}>')
    path.write_text(text)
    (found,) = read(folder).findings
    assert f'has a bird without bndbox but a {shape}: mmdet needs the bndbox' in found


def test_missing_xml_and_missing_image(folder):
    (folder / 'VOC2007/Annotations/000002.xml').unlink()
    (folder / 'VOC2007/JPEGImages/000003.jpg').rename(
        folder / 'VOC2007/JPEGImages/000003.JPG'
    )
    texts = [text for text in check_file(read(folder)) if isinstance(text, Fault)]
    assert '000002.xml (line 3) is missing' in texts[0]
    assert '000003.jpg. The folder has 000003.JPG' in texts[1]


def test_a_file_without_size_and_without_image(folder):
    spoil(folder, '<size>', '<old>')
    spoil(folder, '</size>', '</old>')
    assert read(folder).findings == ()  # mmdet reads the image
    assert read(folder).image_sizes.tolist() == [[64, 64]] * 4
    image = folder / 'VOC2007/JPEGImages/000001.jpg'
    image.write_bytes(b'no image')
    faults = [text for text in check_file(read(folder)) if isinstance(text, Fault)]
    assert '000001.xml (line 2) cannot be read by mmdet' in faults[0]
    image.unlink()
    faults = [text for text in check_file(read(folder)) if isinstance(text, Fault)]
    assert '1 of 4 images do not exist' in faults[0]


def test_a_size_of_0(folder):
    path = spoil(folder, '<width>64<', '<width>0<')
    (text,) = read(folder).findings
    assert f'{path} (line 2) gives the image a size of 0 x 64 pixels' in text
    assert text.endswith('write the true width and height (64 x 64)')
    assert not isinstance(text, Fault)
    assert not any('outside the image' in t for t in check_file(read(folder)))
    filtered = VOCDataset(**options(folder), filter_cfg=dict(min_size=32))
    assert len(filtered) == 3  # mmdet agrees


def test_boxes_that_mmdets_config_ignores(folder):
    cfg = options(folder) | dict(filter_cfg=dict(bbox_min_size=16))
    (file,) = read_annotations(dict(type='VOCDataset', **cfg))
    infos = VOCDataset(**cfg)
    ignored = [one['ignore_flag'] for info in infos for one in info['instances']]
    reasons = drop_reasons(file).tolist()
    assert [bool(reason) for reason in reasons] == [bool(flag) for flag in ignored]
    assert {*reasons} == {KEPT, 'below filter_cfg.bbox_min_size'}


@pytest.mark.parametrize('blank', ['', '  '])
def test_blank_lines(folder, blank):
    path = folder / LIST
    path.write_text(f'{path.read_text()}\n{blank}\n')
    with pytest.raises(FileNotFoundError):
        VOCDataset(**options(folder))
    (text,) = read(folder).findings
    assert 'empty lines (5)' in text
    assert len(read(folder).image_paths) == 4


def test_names_with_suffix_and_repeated_names(folder):
    (folder / LIST).write_text('000000.jpg\n000001\n000001\n')
    twice, suffix = read(folder).findings
    assert '1 images are listed more than once: 000001' in twice
    assert "the image list has '000000.jpg' and needs names without suffix" in suffix


def test_an_empty_list(folder):
    (folder / LIST).write_text('')
    (text,) = read(folder).findings
    assert f'{LIST} is empty' in text
    assert all(map(str, check_file(read(folder))))


def test_objects_of_unknown_classes_are_not_checked(folder):
    path = folder / 'VOC2007/Annotations/000001.xml'
    text = path.read_text().replace('bird', 'dragon').replace('<xmin>', '<xmin>?', 1)
    path.write_text(text)
    assert len(VOCDataset(**options(folder))) == 4  # mmdet agrees
    file = read(folder)
    assert file.findings == ()
    assert any('metainfo.classes lacks categories' in text for text in check_file(file))


def test_fractions(folder):
    for number in range(4):
        path = folder / f'VOC2007/Annotations/{number:06}.xml'
        text = path.read_text()
        for side in ('xmin', 'ymin', 'xmax', 'ymax'):
            text = text.replace(f'<{side}>', f'<{side}>0.')
        path.write_text(text)
    assert any('seem to be fractions' in text for text in check_file(read(folder)))
