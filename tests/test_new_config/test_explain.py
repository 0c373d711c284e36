"""The sample output in docs/custom_data.md."""

import re
from pathlib import Path

import numpy as np

from helpers.tiny import REPO
from mmdet_centernet.new_config.explain import (
    WIDTH,
    describe_classes,
    describe_settings,
)
from mmdet_centernet.new_config.resources import Memory
from mmdet_centernet.new_config.settings import Measures, Options, choose
from mmdet_centernet.new_config.split import Split

PAGE = REPO / 'docs/custom_data.md'
IMAGES, OBJECTS = 205, 100


def sample():
    """Returns the lines of the page by their names."""
    (block,) = re.findall(r'(?:^    \w+ {2,}\S.*\n)+', PAGE.read_text(), re.MULTILINE)
    lines = [line[4:] for line in block.splitlines()]
    return {line[:WIDTH].strip(): line for line in lines}


def measures(needed):
    """Returns measures that lead to the choices of the page."""
    image = [640, 480]
    return Measures(
        image_sizes=np.tile(image, (IMAGES, 1)),
        sides=np.tile([8 / needed * 640, 256], (OBJECTS, 1)),
        image_size_of_object=np.tile(image, (OBJECTS, 1)),
        names=np.array(['RBC'] * OBJECTS),
        max_objects=OBJECTS // 2,
        num_ignored=0,
    )


def split_with(counts):
    """Makes a split of one image with that many boxes of each class."""
    annotations = [
        dict(image_id=0, category_id=id_)
        for id_, count in enumerate(counts.values())
        for _ in range(count)
    ]
    categories = [dict(id=id_, name=name) for id_, name in enumerate(counts)]
    image = dict(id=0, file_name='0.jpg')
    content = dict(images=[image], annotations=annotations, categories=categories)
    return Split(content, Path())


def test_the_page_shows_the_classes_that_are_printed():
    shown = sample()['classes']
    counts = {
        name: int(count.replace(',', ''))
        for name, count in re.findall(r'(\w+) \(([\d,]+)\)', shown)
    }
    assert list(counts) == ['RBC', 'WBC', 'Platelets']
    (printed,) = describe_classes(dict(train=split_with(counts)), list(counts))
    assert printed == shown


def test_the_page_shows_the_settings_that_are_printed():
    lines = sample()
    found = measures(int(re.search(r': (\d+) pixels or more', lines['input'])[1]))
    free = float(re.search(r'([\d.]+) GB of free memory', lines['batch'])[1])
    memory = Memory(int(free * 2**30), on_gpu=False)
    settings = choose(['RBC', 'WBC', 'Platelets'], found, Options(), memory)
    printed = describe_settings(settings, found, Options(), memory)
    named = [line for line in printed if line[:WIDTH].strip()]
    assert list(lines.values())[1:] == named
    assert next(iter(lines)) == 'classes'
