# DeepLabV3-R18 on CamVid, InfoPro K=4 with context r1e. Encoders pool before
# the wide conv, which is ours: at this size the authors' would cost more than
# the network.
_base_ = ['../infopro/deeplabv3_r18_k4_camvid.py']
model = dict(
    backbone=dict(
        context_supply=dict(
            mode='r1e',
            pool_first=True,
            norm_cfg=dict(type='SyncBN', requires_grad=True),
        )
    )
)
