_base_ = ['mmdet::_base_/default_runtime.py', './ctdet_plugin.py']

randomness = dict(seed=0)
default_hooks = dict(
    label_names=dict(type='LabelNamesHook'),
    logger=dict(interval=25),
    checkpoint=dict(interval=1, max_keep_ckpts=1))
custom_hooks = _base_.custom_hooks + [
    dict(type='HeatmapVisualizationHook', interval=25),
]
