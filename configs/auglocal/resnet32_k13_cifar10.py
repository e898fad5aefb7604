# ResNet-32 on CIFAR-10, AugLocal with aux nets of at most 3 blocks: a cut
# behind each of the first 12 layers, the stem included. 400 epochs.
_base_ = ['./resnet32_k16_cifar10.py']
model = dict(
    backbone=dict(
        local_modules=dict(
            _delete_=True,
            boundaries=[
                'relu',
                *(f'layer1.{i}' for i in range(5)),
                *(f'layer2.{i}' for i in range(5)),
                'layer3.0',
            ],
            **_base_.local_modules,
        )
    )
)
param_scheduler = dict(end=400)
train_cfg = dict(max_epochs=400)
