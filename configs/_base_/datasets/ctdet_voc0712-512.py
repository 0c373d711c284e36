# ctdet_voc0712-384 at 512 x 512.
_base_ = './ctdet_voc0712-384.py'

image_size = (512, 512)
train_pipeline = _base_.train_pipeline
train_pipeline[2].size = image_size
test_pipeline = _base_.test_pipeline
test_pipeline[1].size = image_size
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0][0].size = image_size

train_dataloader = _base_.train_dataloader
train_dataloader.dataset.dataset.datasets[0].pipeline = train_pipeline
train_dataloader.dataset.dataset.datasets[1].pipeline = train_pipeline
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
