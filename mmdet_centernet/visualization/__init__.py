"""Draws objects, properties, heatmaps and targets on images."""

from .draw_properties import draw_properties
from .local_visualizer import CTDetLocalVisualizer

__all__ = ['CTDetLocalVisualizer', 'draw_properties']
