# DeepLabV3-R18 on CamVid, greedy K=4 with context r1e.
_base_ = ['./deeplabv3_r18_k4_r1e-infopro_camvid.py']
local_modules = _base_.model.backbone.local_modules
model = dict(
    backbone=dict(local_modules=[dict(m, decoder=None) for m in local_modules])
)
