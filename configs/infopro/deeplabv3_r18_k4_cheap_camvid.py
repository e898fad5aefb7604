# DeepLabV3-R18 on CamVid, InfoPro K=4 with the cheap aux nets of
# deeplabv3_r101_k7_cheap_cityscapes.py, at the same cuts and weights as
# deeplabv3_r18_k4_camvid.py.
_base_ = ['deeplabv3_r18_k4_camvid.py']
local_modules = _base_.model.backbone.local_modules
model = dict(
    backbone=dict(
        local_modules=[
            dict(
                m,
                decoder=dict(m['decoder'], target_stride=4),
                aux_neck=dict(
                    type='ReductionNeck', out_channels=64, norm_cfg=_base_.norm
                ),
                label_stride=4,
            )
            for m in local_modules
        ]
    )
)
