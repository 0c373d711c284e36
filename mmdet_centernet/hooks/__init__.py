"""What happens beside training and testing."""

from .heatmap_hook import HeatmapVisualizationHook
from .non_finite_loss_hook import NonFiniteLossHook

__all__ = ['HeatmapVisualizationHook', 'NonFiniteLossHook']
