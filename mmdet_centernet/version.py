"""Versions, importable without mmdet: setup.py and the doctor read this file."""

__version__ = '0.1.0'
# mmengine: reads the `mmdet::` bases of the shipped configs. torch: the oldest that the
# tests were run with. mmdet: its last release. mmcv: what that mmdet takes.
MINIMUM_VERSIONS = {
    'mmengine': '0.10.0',
    'torch': '2.0.1',
    'mmcv': '2.0.0',
    'mmdet': '3.3.0',
}
