"""What a dataset holds, what of it reaches the head, and what is suspicious about it.

`tools/browse_targets.py` is its command line.
"""
