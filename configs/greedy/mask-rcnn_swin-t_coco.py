# Mask R-CNN-Swin-T-FPN on COCO, greedy K=4: InfoPro without its
# decoder, i.e. with the local task loss only.
#
# python tools/train.py configs/greedy/mask-rcnn_swin-t_coco.py --auto-scale-lr
_base_ = ['../infopro/mask-rcnn_swin-t_coco.py']
model = dict(backbone=dict(local_modules=dict(decoder=None)))
