# The narrow DeepLabV3-R18 on CamVid of 240 x 180 pixels, InfoPro with cheap
# aux nets: a quarter of the size for the image and for the labels.
_base_ = ['./deeplabv3_r18_k4_infopro_camvid-small.py']
model = dict(
    backbone=dict(
        local_modules=dict(
            decoder=dict(target_stride=4),
            aux_neck=dict(
                type='ReductionNeck',
                out_channels=16,
                norm_cfg=_base_.norm_cfg,
            ),
            label_stride=4,
        )
    )
)
