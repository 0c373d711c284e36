"""Numerics of CenterNet in plain torch and numpy: no registry, no mmdet."""
