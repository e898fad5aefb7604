# ResNet-110 on CIFAR-10, MAN K=16 with the decoders and the softmax loss of
# InfoPro. Both weights fall with the stage of the block behind a boundary.
_base_ = ['../infopro/resnet110_k16_softmax_cifar10.py']
model = dict(
    backbone=dict(
        local_modules=dict(
            loss_weights=[
                [5 * (1 - stage / 14), 0.5 * (1 - stage / 14)]
                for stage in [*6 * [1], *5 * [2], *4 * [3]]
            ],
            shared_neck=dict(type='MomentumBlock', momentum=0.995),
            aux_neck=dict(num_convs=2),
        )
    )
)
