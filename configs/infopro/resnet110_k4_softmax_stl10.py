# ResNet-110 on STL-10, InfoPro K=4, softmax loss.
_base_ = ['./resnet110_k2_softmax_stl10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=4)))
