# TSN-R50 1x1x3 on Kinetics-400, InfoPro K=2 (ours).
_base_ = [
    '../e2e/tsn_r50_kinetics400.py',
    '../_base_/local_modules/kinetics400.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            boundaries=['layer1'],
            loss_weights=((1.5, 1.0), (0.5, 1.0)),
            **_base_.local_modules,
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
