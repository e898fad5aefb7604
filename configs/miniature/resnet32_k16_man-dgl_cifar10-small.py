# The narrow ResNet-32 on CIFAR-10 of 16 x 16 pixels, MAN with the aux nets of
# DGL, K=16.
_base_ = ['./resnet32_k16_dgl_cifar10-small.py']
model = dict(
    backbone=dict(
        local_modules=dict(
            shared_neck=dict(type='MomentumBlock', momentum=0.995)
        )
    )
)
