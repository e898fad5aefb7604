# ResNet-101 on ImageNet, end to end: 22.03 % top-1 and 5.93 % top-5 error
# published, 19.71 GB for each of eight GPUs.
#
# bash tools/dist_train.sh configs/e2e/resnet101_imagenet.py 8
_base_ = [
    '../_base_/models/imagenet_resnet.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/schedules/imagenet_90e.py',
    '../_base_/runtimes/classification.py',
]
