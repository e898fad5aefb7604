# DenseNet-BC-100-12 on CIFAR-10, InfoPro K=4, softmax loss.
_base_ = ['./densenet-bc-100-12_k2_softmax_cifar10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=4)))
