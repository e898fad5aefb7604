# Mask R-CNN-Swin-T-FPN on COCO, greedy K=4: InfoPro without its decoder.
_base_ = ['../infopro/mask-rcnn_swin-t_coco.py']
model = dict(backbone=dict(local_modules=dict(decoder=None)))
