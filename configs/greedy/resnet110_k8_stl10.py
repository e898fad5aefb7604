# ResNet-110 on STL-10, greedy K=8.
_base_ = ['./resnet110_k2_stl10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=8)))
