"""Former name of :mod:`mmdet_centernet.functional.flip`."""

from mmdet_centernet.former_names import former_names

__getattr__ = former_names(
    __name__, {'mean_logit': 'mmdet_centernet.functional.flip.mean_logit'}
)
