# Faster R-CNN-R101-FPN on COCO, greedy K=4: InfoPro without its
# decoder, i.e. with the local task loss only.
#
# python tools/train.py configs/greedy/faster-rcnn_r101_coco.py --auto-scale-lr
_base_ = ['../infopro/faster-rcnn_r101_coco.py']
model = dict(backbone=dict(local_modules=dict(decoder=None)))
