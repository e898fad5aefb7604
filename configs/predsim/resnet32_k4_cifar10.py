# ResNet-32 on CIFAR-10, PredSim K=4. Not a published row: the authors train
# every conv layer of VGG-like networks for itself.
_base_ = ['./resnet32_k16_cifar10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=4)))
