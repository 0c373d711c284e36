"""Fuzzing: valid and invalid inputs are generated and the results checked."""

# Before mmdet, since it brings mmcv's operators where mmcv has no compiled ones.
import mmdet_centernet  # noqa: F401
