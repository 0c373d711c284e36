"""Renames the tensors of state dicts by tables of names."""
