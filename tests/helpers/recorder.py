"""A visualization backend that keeps images."""

from typing import ClassVar

from mmdet.registry import VISBACKENDS
from mmengine.visualization import BaseVisBackend


@VISBACKENDS.register_module()
class ImageRecorder(BaseVisBackend):
    """Keeps the images that the hook passes to the visualizer."""

    images: ClassVar[list] = []

    def _init_env(self):
        pass

    @property
    def experiment(self):
        return self

    def add_image(self, name, image, step=0, **kwargs):
        self.images.append((name, image, step))
