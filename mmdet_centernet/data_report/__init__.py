"""Checks a dataset: its files, its images and the targets made of them.

`tools/browse_targets.py` is the command.
"""
