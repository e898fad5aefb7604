# DeepLabV3-R18-D8 on Cityscapes, InfoPro K=4 (ours).
_base_ = [
    '../e2e/deeplabv3_r18_cityscapes.py',
    '../_base_/local_modules/deeplabv3_r18_k4.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=_base_.local_modules,
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
default_hooks = dict(
    reconstruction=dict(type='ReconstructionHook', interval=4000)
)
