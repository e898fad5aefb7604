# As retinanet_r18_k3_coco-mini.py, each aux head with a pyramid of the
# features at its boundary alone: a lateral conv and two coarser levels.
#
# python tools/train.py configs/infopro/retinanet_r18_k3_lateral_coco-mini.py
_base_ = ['../infopro/retinanet_r18_k3_coco-mini.py']
model = dict(backbone=dict(local_modules=dict(pyramid=False)))
