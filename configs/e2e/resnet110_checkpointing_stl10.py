# ResNet-110 on STL-10, end to end with activation checkpointing (InfoPro's
# Table 3). Each block keeps its input only.
_base_ = ['./resnet110_stl10.py']
model = dict(backbone=dict(with_cp=True))
