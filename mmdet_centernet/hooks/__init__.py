"""Hooks of mmengine's runner."""

from .heatmap_hook import HeatmapVisualizationHook
from .label_names_hook import LabelNamesHook
from .non_finite_loss_hook import NonFiniteLossHook

__all__ = ['HeatmapVisualizationHook', 'LabelNamesHook', 'NonFiniteLossHook']
