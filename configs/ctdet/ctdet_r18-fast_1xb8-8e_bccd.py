# The fast recipe: a third of the epochs, as every cell under a Gaussian, not only the
# center cell, learns the box of its object by L1 and GIoU (docs/fast.md).
_base_ = './ctdet_r18-fpn_1xb8-24e_bccd.py'

# model
model = dict(
    bbox_head=dict(
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
        # Blood cells are up to 50 map cells wide, and AdamW changes outputs slowly.
        wh_unit=16.0))

# schedule
max_epochs = 8
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = _base_.param_scheduler
param_scheduler[1].T_max = max_epochs
