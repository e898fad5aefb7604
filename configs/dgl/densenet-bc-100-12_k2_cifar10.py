# DenseNet-BC-100-12 on CIFAR-10, DGL K=2.
_base_ = [
    '../e2e/densenet-bc-100-12_cifar10.py',
    '../_base_/local_modules/cifar_dgl.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            partition='densenet-bc-100-12',
            num_local_modules=2,
            **_base_.local_modules,
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
