# The narrow DeepLabV3-R18 on CamVid of 240 x 180 pixels, ContSup R1E with
# greedy local modules.
_base_ = ['./deeplabv3_r18_k4_greedy_camvid-small.py']
model = dict(backbone=dict(context_supply=dict(mode='r1e')))
