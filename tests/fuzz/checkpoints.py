"""The converter on official checkpoints, valid and broken.

Each tensor is a single number, expanded to its shape, so that a checkpoint takes some
kilobytes on disk.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import Tensor

from fuzz import draws
from fuzz.outcome import REFUSED, RIGHT
from helpers.tool_modules import load_tool
from mmdet_centernet.converters import to_official_state_dict

convert_official = load_tool('convert_official.py')
LENGTHS_AT, HEADER = 26, 30
"""Offsets in the local header of a zip entry: lengths of name and extra field, end."""
NETWORKS = ('res_18', 'res_18', 'resdcn_18', 'dla_34')
OLD = b'previous content'
Weights = dict[str, Tensor]


def checkpoint(draw: Random) -> str:
    """Valid checkpoints are converted; broken ones change no file."""
    weights = draw_weights(draw)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / 'from.pth', Path(folder) / 'to.pth'
        if draw.random() < 0.15:
            torch.save(wrapped(draw, weights), source)
            convert(source, target)
            check_result(target, weights)
            return RIGHT
        target.write_bytes(OLD)
        expected = draw.choice(FAULTS)(draw, weights, source)
        message = convert(source, target)
        assert expected in message, (expected, message)
        assert target.read_bytes() == OLD
        left = sorted(os.listdir(folder))
        assert left == ['from.pth', 'to.pth'], left
    return REFUSED


def draw_weights(draw: Random) -> Weights:
    """Draws all weights of a network for some number of classes."""
    classes = draw.choice([1, 3, 20, 80])
    dtype = draw.choice([torch.float32, torch.float32, torch.float16, torch.float64])
    values = draws.generator(draw).normal(size=2000)
    return {
        key: torch.tensor(value, dtype=dtype).expand(
            (classes, *shape[1:]) if key in ('hm.2.weight', 'hm.2.bias') else shape
        )
        for value, (key, shape) in zip(
            values, shapes(draw.choice(NETWORKS)).items(), strict=False
        )
        if not key.endswith('num_batches_tracked') or draw.random() < 0.5
    }


@cache
def shapes(network: str) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the weights of a shipped config under official names."""
    cfg = Config.fromfile(convert_official.CONFIGS / convert_official.COCO[network])
    with torch.device('meta'):
        weights = MODELS.build(cfg.model).state_dict()
    named = to_official_state_dict(weights)
    return {key: tuple(value.shape) for key, value in named.items()}


def wrapped(draw: Random, weights: Weights) -> dict:
    """Draws the structure of the file."""
    prefix = draw.choice(['', 'module.'])
    content = {prefix + key: value for key, value in weights.items()}
    return draw.choice([content, dict(epoch=3, state_dict=content, optimizer={})])


def convert(source: Path, target: Path) -> str:
    """Runs the command line and returns its error message, if any."""
    argv = ['convert_official.py', str(source), str(target)]
    with patch.object(sys, 'argv', argv), contextlib.redirect_stdout(io.StringIO()):
        try:
            convert_official.main()
        except SystemExit as end:
            return str(end)
    return ''


def check_result(target: Path, weights: Weights) -> None:
    """Converts the result back and compares it."""
    found = torch.load(target, weights_only=True)['state_dict']
    back = to_official_state_dict(found)
    for key, value in weights.items():
        assert back[key].dtype == value.dtype, key
        assert torch.equal(back[key], value), key
    added = back.keys() - weights.keys()
    assert all(key.endswith('num_batches_tracked') for key in added), added


def truncated(draw: Random, weights: Weights, path: Path) -> str:
    """A truncated file."""
    torch.save(wrapped(draw, weights), path)
    os.truncate(path, draw.randrange(path.stat().st_size))
    return 'cannot be read as weights'


def flipped_bit(draw: Random, weights: Weights, path: Path) -> str:
    """A flipped bit in a weight."""
    torch.save(wrapped(draw, weights), path)
    with zipfile.ZipFile(path) as file:
        entries = [one for one in file.infolist() if '/data/' in one.filename]
    content = bytearray(path.read_bytes())
    header = draw.choice(entries).header_offset
    lengths = struct.unpack_from('<HH', content, header + LENGTHS_AT)
    content[header + HEADER + sum(lengths)] ^= 1 << draw.randrange(8)
    path.write_bytes(bytes(content))
    return 'damaged'


def other_file(draw: Random, weights: Weights, path: Path) -> str:
    """Not a file of torch."""
    path.write_bytes(
        draw.choice([b'', b'<html>404</html>', b'\x80\x02', draw.randbytes(500)])
    )
    return 'cannot be read as weights'


def with_code(draw: Random, weights: Weights, path: Path) -> str:
    """A file that runs code when it is unpickled."""
    content = wrapped(draw, weights)
    content[draw.choice(['meta', 'hm.0.weight'])] = Runs(path.with_name('made'))
    torch.save(content, path)
    return 'cannot be read as weights'


class Runs:
    """Creates a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.folder,)


def not_a_dict(draw: Random, weights: Weights, path: Path) -> str:
    """Tensors without names, or names without tensors."""
    content, expected = draw.choice(
        [
            (list(weights.values()), 'not a dict'),
            (next(iter(weights.values())), 'not a dict'),
            (dict(state_dict=dict.fromkeys(weights, 1.0)), 'neither a state dict nor'),
            (dict(model=weights), 'neither a state dict nor'),
        ]
    )
    torch.save(content, path)
    return expected


def not_finite(draw: Random, weights: Weights, path: Path) -> str:
    """NaN or infinity in a weight."""
    key = some_weight(draw, weights)
    value = weights[key].clone()
    value.view(-1)[draw.randrange(value.numel())] = draw.choice(
        [float('nan'), float('inf'), -float('inf')]
    )
    torch.save(wrapped(draw, weights | {key: value}), path)
    return 'values that are not finite, such as'


def missing(draw: Random, weights: Weights, path: Path) -> str:
    """A missing key."""
    key = some_weight(draw, weights)
    torch.save(wrapped(draw, {k: v for k, v in weights.items() if k != key}), path)
    return f'missing: {key}'


def unknown(draw: Random, weights: Weights, path: Path) -> str:
    """An unexpected key."""
    key = some_weight(draw, weights) + draw.choice(['_', '.0', 's'])
    torch.save(wrapped(draw, weights | {key: torch.zeros(1)}), path)
    return f'unknown: {key}'


def twice(draw: Random, weights: Weights, path: Path) -> str:
    """A key with and without the prefix of DataParallel."""
    key = some_weight(draw, weights)
    torch.save(weights | {f'module.{key}': weights[key]}, path)
    return f'twice: {key}'


def other_shape(draw: Random, weights: Weights, path: Path) -> str:
    """A tensor of another shape."""
    key = some_weight(draw, {k: v for k, v in weights.items() if 'hm' not in k})
    one: Any = torch.zeros((), dtype=weights[key].dtype)
    size = draw.choice([(), (7,), (*weights[key].shape, 1)])
    torch.save(wrapped(draw, weights | {key: one.expand(size)}), path)
    return 'shapes of another network'


def other_network(draw: Random, weights: Weights, path: Path) -> str:
    """Names that are not official, such as those of mmdet."""
    prefix = draw.choice(['backbone.', 'model.', 'net.'])
    torch.save({prefix + key: value for key, value in weights.items()}, path)
    return f'unknown: {prefix}'


def some_weight(draw: Random, weights: Weights) -> str:
    """Draws the name of a tensor that is no counter."""
    counter = 'num_batches_tracked'
    return draw.choice([key for key in weights if not key.endswith(counter)])


FAULTS = (
    truncated,
    flipped_bit,
    other_file,
    with_code,
    not_a_dict,
    not_finite,
    missing,
    unknown,
    twice,
    other_shape,
    other_network,
)
