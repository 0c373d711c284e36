"""The sample output in docs/custom_data.md."""

import re

import numpy as np

from helpers.tiny import REPO
from mmdet_centernet.new_config.explain import WIDTH, describe_settings
from mmdet_centernet.new_config.resources import Memory
from mmdet_centernet.new_config.settings import Measures, Options, choose

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


def test_the_page_shows_the_lines_that_are_printed():
    lines = sample()
    found = measures(int(re.search(r': (\d+) pixels or more', lines['input'])[1]))
    free = float(re.search(r'([\d.]+) GB of free memory', lines['batch'])[1])
    memory = Memory(int(free * 2**30), on_gpu=False)
    settings = choose(['RBC', 'WBC', 'Platelets'], found, Options(), memory)
    printed = describe_settings(settings, found, Options(), memory)
    named = [line for line in printed if line[:WIDTH].strip()]
    assert list(lines.values())[1:] == named
    assert next(iter(lines)) == 'classes'
