"""How results are drawn."""

from .draw_properties import draw_properties
from .local_visualizer import CTDetLocalVisualizer

__all__ = ['CTDetLocalVisualizer', 'draw_properties']
