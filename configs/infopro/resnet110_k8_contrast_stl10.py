# ResNet-110 on STL-10, InfoPro K=8, contrastive loss: 25.15 +- 0.52 % test
# error published.
_base_ = ['./resnet110_k2_contrast_stl10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=8)))
