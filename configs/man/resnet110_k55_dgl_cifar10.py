# ResNet-110 on CIFAR-10, MAN K=55 with the aux nets of DGL: a cut behind each
# layer, the stem included. 400 epochs.
_base_ = ['./resnet110_k16_dgl_cifar10.py']
model = dict(
    backbone=dict(
        local_modules=dict(
            partition=None,
            num_local_modules=55,
            boundaries=[
                'relu',
                *(f'layer1.{i}' for i in range(18)),
                *(f'layer2.{i}' for i in range(18)),
                *(f'layer3.{i}' for i in range(17)),
            ],
        )
    )
)
param_scheduler = dict(end=400)
train_cfg = dict(max_epochs=400)
