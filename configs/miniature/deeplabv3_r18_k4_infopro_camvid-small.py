# The narrow DeepLabV3-R18 on CamVid of 240 x 180 pixels, InfoPro with aux nets
# as published: the decoder rebuilds the whole image.
_base_ = ['./deeplabv3_r18_k4_greedy_camvid-small.py']
decoder = dict(
    type='ReconstructionDecoder', channels=(32, 12), norm_cfg=_base_.norm_cfg
)
model = dict(
    backbone=dict(
        local_modules=dict(
            decoder=decoder, loss_weights=[[1.5, 1.0], [0.5, 1.0]]
        )
    )
)
