# DenseNet-BC-100-12 on CIFAR-10, end to end.
_base_ = ['./resnet32_cifar10.py']
model = dict(
    backbone=dict(_delete_=True, type='DenseNetBC', depth=100, growth_rate=12),
    head=dict(in_channels=342),
)
