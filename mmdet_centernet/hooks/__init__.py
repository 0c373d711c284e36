"""Hooks of mmengine's runner."""

from .channels_last_hook import ChannelsLastHook
from .heatmap_hook import HeatmapVisualizationHook
from .label_names_hook import LabelNamesHook
from .non_finite_loss_hook import NonFiniteLossHook

__all__ = [
    'ChannelsLastHook',
    'HeatmapVisualizationHook',
    'LabelNamesHook',
    'NonFiniteLossHook',
]
