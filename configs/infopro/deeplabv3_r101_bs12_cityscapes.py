# InfoPro K=2 with batch 12 (Table 5: 79.99 mIoU): lr 0.015, lambda_1 = 1,
# lambda_2 = 0.1.
#
# One GPU:    python tools/train.py \
#             configs/infopro/deeplabv3_r101_bs12_cityscapes.py
# Four GPUs:  bash tools/dist_train.sh \
#             configs/infopro/deeplabv3_r101_bs12_cityscapes.py 4 \
#             --cfg-options train_dataloader.batch_size=3
_base_ = ['./deeplabv3_r101_cityscapes.py']
local_module = _base_.model.backbone.local_modules[0]
local_module.decoder.loss_weight = 1.0
local_module.aux_head.loss_decode.loss_weight = 0.1
model = dict(backbone=dict(local_modules=[local_module]))
optim_wrapper = dict(optimizer=dict(lr=0.015))
train_dataloader = dict(batch_size=12)
auto_scale_lr = dict(base_batch_size=12)
