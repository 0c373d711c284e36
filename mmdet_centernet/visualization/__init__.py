"""How results are drawn."""

from .draw_properties import draw_properties

__all__ = ['draw_properties']
