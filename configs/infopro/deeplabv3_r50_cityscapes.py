# DeepLabV3-R50-D8 on Cityscapes, InfoPro K=2 (not in the paper): weights and
# aux nets of the published R101.
#
# The cut after block 3 of layer3 takes the least memory of all: for 2 images
# of 512 x 1024 the peak of an iteration is 3.19 GiB, 39 % below end to end
# (5.19 GiB); one block earlier it is 3.37 GiB, one later 3.34 GiB, at the end
# of layer3 3.52 GiB (parameters, gradients, momentum and activations).
#
# One GPU:    python tools/train.py \
#             configs/infopro/deeplabv3_r50_cityscapes.py
# Four GPUs:  bash tools/dist_train.sh \
#             configs/infopro/deeplabv3_r50_cityscapes.py 4 \
#             --cfg-options train_dataloader.batch_size=2
_base_ = ['./deeplabv3_r101_cityscapes.py']
local_module = _base_.model.backbone.local_modules[0]
local_module.boundary = 'layer3.3'
model = dict(
    pretrained='open-mmlab://resnet50_v1c',
    backbone=dict(backbone=dict(depth=50), local_modules=[local_module]),
)
