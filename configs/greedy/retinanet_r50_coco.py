# RetinaNet-R50-FPN on COCO, greedy K=3: InfoPro without its decoder.
_base_ = ['../infopro/retinanet_r50_coco.py']
model = dict(backbone=dict(local_modules=dict(decoder=None)))
