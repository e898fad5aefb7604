# As retinanet_r18_k3_lateral_coco-mini.py, on the pyramid so far: lateral
# convs of the features and of the closed outputs before them, top-down.
_base_ = ['./retinanet_r18_k3_lateral_coco-mini.py']
model = dict(backbone=dict(local_modules=dict(pyramid=True)))
