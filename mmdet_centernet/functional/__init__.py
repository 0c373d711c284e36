"""Numeric functions of CenterNet in plain torch and numpy, independent of mmdet."""
