"""What happens beside training and testing."""

from .heatmap_hook import HeatmapVisualizationHook

__all__ = ['HeatmapVisualizationHook']
