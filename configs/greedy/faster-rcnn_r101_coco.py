# Faster R-CNN-R101-FPN on COCO, greedy K=4: InfoPro without its decoder.
_base_ = ['../infopro/faster-rcnn_r101_coco.py']
model = dict(backbone=dict(local_modules=dict(decoder=None)))
