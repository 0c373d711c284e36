"""Annotation files in COCO format, valid or with a fault that must be reported."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np

from fuzz.outcome import REFUSED, RIGHT, refused
from mmdet_centernet.data_report.annotation_findings import check_file, check_splits
from mmdet_centernet.data_report.annotations import Annotations, count_classes
from mmdet_centernet.data_report.readers import read_annotations

CLASSES = ('one', 'two', 'three')
LEAST, MOST = 20, 60
WRONG_NUMBERS = (None, '7', [], {})
Content = dict[str, Any]


def annotation_file(draw: Random) -> str:
    """Valid files cause no report; faults are reported."""
    with tempfile.TemporaryDirectory() as name:
        folder, content = Path(name), draw_content(draw)
        for image in content['images']:
            pixels = np.zeros((image['height'], image['width'], 3), np.uint8)
            cv2.imwrite(str(folder / image['file_name']), pixels)
        if draw.random() < 0.2:
            file = read(folder, json.dumps(content))
            assert reports(file) == ''
            check_counts(file, content)
            return RIGHT
        fault, message = draw.choice(FAULTS)
        spoiled = fault(draw, content)
        text = spoiled if isinstance(spoiled, str | bytes) else json.dumps(content)
        if fault in REFUSED_FAULTS:
            return refused(ValueError, message, lambda: read(folder, text))
        found = reports(read(folder, text))
        assert message in found, (message, found)
        return REFUSED


def draw_content(draw: Random) -> Content:
    """Draws a valid file: all classes have boxes, all boxes lie inside their image."""
    sizes = [(draw.randint(LEAST, MOST), draw.randint(LEAST, MOST)) for _ in range(4)]
    ids = draw.sample(range(1000), len(sizes))
    images = [
        dict(id=id_, file_name=f'{id_}.png', width=width, height=height)
        for id_, (width, height) in zip(ids, sizes, strict=True)
    ]
    categories = [
        dict(id=id_, name=name)
        for id_, name in zip(draw.sample(range(90), 3), CLASSES, strict=True)
    ]
    annotations = []
    for number in range(draw.randint(6, 12)):
        image, category = draw.choice(images), categories[number % 3]
        width, height = draw.uniform(2, 9), draw.uniform(2, 9)
        x = draw.uniform(0, image['width'] - width)
        y = draw.uniform(0, image['height'] - height)
        annotations.append(
            dict(
                id=1 + number * 7,
                image_id=image['id'],
                category_id=category['id'],
                bbox=[x, y, width, height],
                area=width * height,
                iscrowd=0,
            )
        )
    return dict(images=images, annotations=annotations, categories=categories)


def read(folder: Path, text: str | bytes) -> Annotations:
    """Reads a file with this text as the data report does."""
    path = folder / 'annotations.json'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (file,) = read_annotations(
        dict(
            type='CocoDataset',
            data_root=str(folder),
            ann_file=path.name,
            data_prefix=dict(img=''),
            metainfo=dict(classes=CLASSES),
        )
    )
    return file


def reports(file: Annotations) -> str:
    """Returns all reports on a file that is used for validation."""
    return '\n'.join(check_file(file) + check_splits(dict(val=[file]), 3))


def check_counts(file: Annotations, content: Content) -> None:
    """Checks the number of boxes per class."""
    names = {one['id']: one['name'] for one in content['categories']}
    found = [names[one['category_id']] for one in content['annotations']]
    assert count_classes(file) == {name: found.count(name) for name in CLASSES}


def not_json(draw: Random, content: Content) -> str | bytes:
    """Truncated, HTML, or in another encoding."""
    text = json.dumps(content)
    name = json.dumps(content | dict(info='Bär'), ensure_ascii=False)
    return draw.choice(
        [text[: draw.randrange(len(text))], '<html>', '', name.encode('latin-1')]
    )


def other_json(draw: Random, content: Content) -> str:
    """JSON in another format."""
    part = draw.choice(list(content))
    return json.dumps(
        draw.choice(
            [
                content['annotations'],
                None,
                3,
                {k: v for k, v in content.items() if k not in (part, 'images')},
                content | {part: draw.choice([None, {}, 'text'])},
            ]
        )
    )


def missing_field(draw: Random, content: Content) -> None:
    """Without a field that mmdet needs."""
    part = draw.choice(list(content))
    entry = draw.choice(content[part])
    entry.pop(draw.choice([name for name in entry if name != 'iscrowd']))


def wrong_entry(draw: Random, content: Content) -> None:
    """An entry that is no dict."""
    part = content[draw.choice(list(content))]
    part[draw.randrange(len(part))] = draw.choice([None, 3, 'text', []])


def wrong_box(draw: Random, content: Content) -> None:
    """A box that is not four numbers."""
    entry = draw.choice(content['annotations'])
    box = entry['bbox']
    entry['bbox'] = draw.choice(
        [box[:3], [*box, 1], [], None, [str(n) for n in box], [None, *box[1:]], 5]
    )


def wrong_number(draw: Random, content: Content) -> None:
    """An area, width or height that is not a number."""
    if draw.random() < 0.3:
        draw.choice(content['annotations'])['area'] = draw.choice(WRONG_NUMBERS)
    else:
        side = draw.choice(['width', 'height'])
        draw.choice(content['images'])[side] = draw.choice(WRONG_NUMBERS)


def wrong_id(draw: Random, content: Content) -> None:
    """An id of another type."""
    part = draw.choice(list(content))
    names = [name for name in content[part][0] if name.endswith('id')]
    draw.choice(content[part])[draw.choice(names)] = draw.choice([None, [1], {}, 1.5])


def wrong_name(draw: Random, content: Content) -> None:
    """A name of another type."""
    part, name = draw.choice([('images', 'file_name'), ('categories', 'name')])
    draw.choice(content[part])[name] = draw.choice([None, 3, []])


def same_id(draw: Random, content: Content) -> None:
    """Two entries with the same id."""
    part = content[draw.choice(list(content))]
    one, other = draw.sample(part, 2)
    one['id'] = other['id']
    if part is not content['annotations']:
        keep = {entry['id'] for entry in part}
        key = 'image_id' if part is content['images'] else 'category_id'
        content['annotations'] = [a for a in content['annotations'] if a[key] in keep]


def unknown_image(draw: Random, content: Content) -> None:
    """A box with an unknown image id."""
    draw.choice(content['annotations'])['image_id'] = 5000


def unknown_category(draw: Random, content: Content) -> None:
    """A box with an unknown category id."""
    draw.choice(content['annotations'])['category_id'] = 5000


def no_image(draw: Random, content: Content) -> None:
    """An image that does not exist."""
    draw.choice(content['images'])['file_name'] = 'gone.png'


def fractions(draw: Random, content: Content) -> None:
    """Boxes in fractions of the image size."""
    sizes = {one['id']: (one['width'], one['height']) for one in content['images']}
    for entry in content['annotations']:
        size = sizes[entry['image_id']] * 2
        entry['bbox'] = [n / of for n, of in zip(entry['bbox'], size, strict=True)]


def not_finite(draw: Random, content: Content) -> None:
    """A box with NaN or infinity, which Python's json accepts."""
    box = draw.choice(content['annotations'])['bbox']
    box[draw.randrange(4)] = draw.choice([math.nan, math.inf, -math.inf])


def without_area(draw: Random, content: Content) -> None:
    """A point or a line."""
    draw.choice(content['annotations'])['bbox'][draw.choice([2, 3])] = 0


def outside(draw: Random, content: Content) -> None:
    """A box beside its image."""
    draw.choice(content['annotations'])['bbox'][draw.choice([0, 1])] = 100


def other_size(draw: Random, content: Content) -> None:
    """An image that is larger than its width or height in the file."""
    draw.choice(content['images'])[draw.choice(['width', 'height'])] -= 1


def misspelled(draw: Random, content: Content) -> None:
    """A class whose name differs from metainfo."""
    draw.choice(content['categories'])['name'] += draw.choice(['s', ' ', 'X'])


def no_example(draw: Random, content: Content) -> None:
    """A class without boxes."""
    id_ = draw.choice(content['categories'])['id']
    content['annotations'] = [
        one for one in content['annotations'] if one['category_id'] != id_
    ]


def other_order(draw: Random, content: Content) -> None:
    """Categories in another order than in metainfo."""
    content['categories'].reverse()


def no_iscrowd(draw: Random, content: Content) -> None:
    """Without a field that pycocotools needs."""
    del draw.choice(content['annotations'])['iscrowd']


Fault = Callable[[Random, Content], str | bytes | None]
REFUSED_FAULTS: dict[Fault, str] = {
    not_json: 'is not JSON in UTF-8',
    other_json: 'has no list of',
}
REPORTED_FAULTS: dict[Fault, str] = {
    missing_field: 'has no ',
    wrong_entry: 'it has to have',
    wrong_box: 'it has to be [x, y, width, height]',
    wrong_number: 'it has to be a number',
    wrong_id: 'it has to be a whole number',
    wrong_name: 'it has to be a string',
    same_id: 'occur more than once',
    unknown_image: 'that the file does not list',
    unknown_category: 'have a category_id that the list of categories lacks',
    no_image: 'images do not exist; check data_prefix: ',
    fractions: 'boxes seem to be fractions',
    not_finite: 'not a finite number',
    without_area: 'no width or height',
    outside: 'outside the image',
    other_size: 'images have another size than the file gives',
    misspelled: 'Spell them as in the file',
    no_example: 'classes have no example',
    other_order: 'List metainfo.classes in the order of the file',
    no_iscrowd: 'have no iscrowd',
}
FAULTS = (*REFUSED_FAULTS.items(), *REPORTED_FAULTS.items())
