# DenseNet-BC-100-12 on CIFAR-10, InfoPro K=2, softmax loss. Cuts, weights and
# the width of the aux conv are ours: the authors published none.
_base_ = ['./resnet110_k2_softmax_cifar10.py']
model = dict(
    backbone=dict(
        backbone=dict(
            _delete_=True, type='DenseNetBC', depth=100, growth_rate=12
        ),
        local_modules=dict(
            partition='densenet-bc-100-12',
            aux_neck=dict(channels=(64,), strides=(2,)),
        ),
    ),
    head=dict(in_channels=342),
)
