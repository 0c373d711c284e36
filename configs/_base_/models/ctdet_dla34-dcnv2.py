_base_ = ['./ctdet_r18-dcnv2.py', './ctdet_dla34-dcnv2_network.py']

model = _base_.pop('dla34')
