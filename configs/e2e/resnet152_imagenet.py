# ResNet-152 on ImageNet, end to end: 21.60 % top-1 and 5.92 % top-5 error
# published, 26.29 GB for each of eight GPUs.
#
# bash tools/dist_train.sh configs/e2e/resnet152_imagenet.py 8
_base_ = ['./resnet101_imagenet.py']
model = dict(backbone=dict(depth=152))
