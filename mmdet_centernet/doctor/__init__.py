"""What can this environment do, and which command mends what it cannot?

mmdet_centernet doctor [CONFIG ...]
"""
