# As retinanet_r18_k3_coco-mini.py, each aux head on the features themselves:
# plain detach, no pyramid.
#
# python tools/train.py configs/infopro/retinanet_r18_k3_plain_coco-mini.py
_base_ = ['../infopro/retinanet_r18_k3_coco-mini.py']
model = dict(backbone=dict(local_modules=dict(aux_neck=None, pyramid=False)))
