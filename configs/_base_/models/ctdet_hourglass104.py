_base_ = ['./ctdet_r18-dcnv2.py', './ctdet_hourglass104_network.py']

model = _base_.pop('hourglass104')
