# The paper's test-time augmentation, for `test --tta`. The pipeline lists the scales;
# the model adds the flipped images. To test at one scale, in a config that inherits this:
#
#     tta_pipeline = _base_.tta_pipeline
#     tta_pipeline[1].transforms[0] = [dict(type='CenterAffine', pad=31)]
tta_model = dict(type='CTDetTTAModel')
tta_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='CenterAffine', pad=31, scale=scale)
                for scale in (0.5, 0.75, 1.0, 1.25, 1.5)
            ],
            [dict(type='LoadAnnotations', with_bbox=True)],
            [
                dict(
                    type='PackDetInputs',
                    meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                               'homography_matrix'))
            ],
        ]),
]
