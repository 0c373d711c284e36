"""The version, on its own so that building a package need not import mmdet."""

__version__ = '0.1.0'
