# COCO persons and their keypoints with the official preprocessing: random crops of
# 512 x 512 from the images with persons for training, whole images at their own
# resolution for testing. As officially, test-time augmentation only adds the flipped image.
_base_ = ['./ctdet_coco.py', '../ctdet_tta.py']

# Predicted per person besides the box; used by datasets, pipelines and head.
properties = dict(
    keypoints=dict(
        type='KeypointsProperty',
        num_points=17,
        # Left and right eyes, ears, shoulders, elbows, wrists, hips, knees, ankles.
        flip_pairs=[(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14),
                    (15, 16)],
        flip_sum=0,  # averages flipped maps as the official code does
        # Persons without a labeled keypoint, most of them tiny, train only the heatmap.
        required=True))
# Pairs of keypoints that visualizations connect, counted from 0.
skeleton = [(15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6),
            (5, 7), (6, 8), (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4),
            (3, 5), (4, 6)]
metainfo = dict(classes=('person', ))
image_size = (512, 512)
train_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='LoadProperties', properties=properties),
    dict(type='RandomCenterAffine', size=image_size),
    dict(type='CenterNetColorJitter'),
    dict(type='PackPropertyInputs'),
]
meta_keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'homography_matrix')
test_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='CenterAffine', pad=31),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='LoadProperties', properties=properties),
    dict(type='PackPropertyInputs', meta_keys=meta_keys),
]
tta_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='CenterAffine', pad=31)],
            [dict(type='LoadAnnotations', with_bbox=True)],
            [dict(type='LoadProperties', properties=properties)],
            [dict(type='PackPropertyInputs', meta_keys=meta_keys)],
        ]),
]

train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            type='CocoPropertyDataset',
            properties=properties,
            metainfo=metainfo,
            ann_file='annotations/person_keypoints_train2017.json',
            filter_cfg=dict(_delete_=True, filter_empty_gt=True, min_size=1),
            pipeline=train_pipeline)))
val_dataloader = dict(
    dataset=dict(
        type='CocoPropertyDataset',
        properties=properties,
        metainfo=metainfo,
        ann_file='annotations/person_keypoints_val2017.json',
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [
    dict(
        type='CocoKeypointMetric',
        ann_file='data/coco/annotations/person_keypoints_val2017.json'),
    dict(
        type='CocoMetric',
        ann_file='data/coco/annotations/person_keypoints_val2017.json',
        metric='bbox'),
]
test_evaluator = val_evaluator
