"""Vectors and images that lie beside the checkout, not in it."""

from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).parents[3] / 'shared'


def shared_path(name):
    """Path of a shared file or folder; skips the test where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f'shared/{name} does not lie beside the checkout')
    return path


def load_golden(name):
    """Arrays measured by running the official implementation."""
    return np.load(shared_path(f'golden/{name}.npz'))


def golden_cases(name, field):
    """Names of the cases that have a field; one that skips where vectors are absent."""
    if not (SHARED / 'golden').exists():
        return ['absent']
    suffix = f'__{field}'
    files = np.load(SHARED / f'golden/{name}.npz').files
    return [file.removesuffix(suffix) for file in files if file.endswith(suffix)]
