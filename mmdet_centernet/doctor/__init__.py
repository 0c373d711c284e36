"""What can this environment do, and which command mends what it cannot?

python -m mmdet_centernet.doctor [CONFIG ...]
"""
