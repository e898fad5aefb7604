# RetinaNet-R18-FPN overfitted on 160 images of COCO, greedy K=3: InfoPro
# without its decoder.
_base_ = ['../infopro/retinanet_r18_k3_coco-mini.py']
model = dict(backbone=dict(local_modules=dict(decoder=None)))
