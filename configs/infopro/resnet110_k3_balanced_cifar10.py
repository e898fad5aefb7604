# ResNet-110 on CIFAR-10, InfoPro* K=3 (cuts of equal memory), contrastive
# loss: 6.74 +- 0.12 % test error published. 4.22 GB on a Titan Xp.
_base_ = ['./resnet110_k2_balanced_cifar10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=3)))
