# As retinanet_r18_k3_coco-mini.py, each aux head on a pyramid of the features
# at its boundary: a lateral conv and two coarser levels.
_base_ = ['./retinanet_r18_k3_coco-mini.py']
model = dict(
    backbone=dict(
        local_modules=dict(
            aux_neck=dict(
                type='mmdet.FPN',
                out_channels=64,
                num_outs=3,
                add_extra_convs='on_input',
            )
        )
    )
)
