# ResNet-110 on CIFAR-10, MAN K=16 with the aux nets of DGL.
_base_ = ['../dgl/resnet110_k16_cifar10.py']
model = dict(
    backbone=dict(
        local_modules=dict(
            shared_neck=dict(type='MomentumBlock', momentum=0.995)
        )
    )
)
