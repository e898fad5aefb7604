# ResNet-110 on STL-10, InfoPro K=8, softmax loss: 23.60 +- 0.49 % test error
# published.
_base_ = ['./resnet110_k2_softmax_stl10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=8)))
