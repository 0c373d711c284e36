"""The padding of mmdet's CenterNet configs."""


def center_crop_pad(pad):
    """Pads both sides to the next multiple of ``pad + 1``."""
    return dict(
        type='RandomCenterCropPad',
        ratios=None,
        border=None,
        mean=[0, 0, 0],
        std=[1, 1, 1],
        to_rgb=True,
        test_mode=True,
        test_pad_mode=['logical_or', pad],
        test_pad_add_pix=1,
    )
