# ResNet-110 on STL-10, InfoPro* K=3 (cuts of equal memory), contrastive loss.
_base_ = ['./resnet110_k2_balanced_stl10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=3)))
