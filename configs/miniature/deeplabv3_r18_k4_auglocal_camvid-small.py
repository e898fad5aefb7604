# The narrow DeepLabV3-R18 on CamVid of 240 x 180 pixels, AugLocal: copies of
# later blocks in front of the aux head.
_base_ = ['./deeplabv3_r18_k4_greedy_camvid-small.py']
aux_neck = dict(type='SampledBlocks', depth=2)
model = dict(backbone=dict(local_modules=dict(aux_neck=aux_neck)))
