# RetinaNet-R50-FPN on COCO, greedy K=3: InfoPro without its
# decoder, i.e. with the local task loss only.
#
# python tools/train.py configs/greedy/retinanet_r50_coco.py --auto-scale-lr
_base_ = ['../infopro/retinanet_r50_coco.py']
model = dict(backbone=dict(local_modules=dict(decoder=None)))
