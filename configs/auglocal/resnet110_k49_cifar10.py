# ResNet-110 on CIFAR-10, AugLocal with aux nets of at most 6 blocks: a cut
# behind each of the first 48 layers, the stem included. 400 epochs.
_base_ = ['./resnet110_k16_cifar10.py']
model = dict(
    backbone=dict(
        local_modules=dict(
            _delete_=True,
            boundaries=[
                'relu',
                *(f'layer1.{i}' for i in range(18)),
                *(f'layer2.{i}' for i in range(18)),
                *(f'layer3.{i}' for i in range(11)),
            ],
            aux_neck=dict(type='SampledBlocks', depth=6, pool=True),
            aux_head=_base_.local_modules.aux_head,
        )
    )
)
param_scheduler = dict(end=400)
train_cfg = dict(max_epochs=400)
