# DeepLabV3-R101-D8 on Cityscapes, InfoPro K=2, batch 12 (Table 5).
_base_ = ['./deeplabv3_r101_cityscapes.py']
local_module = _base_.model.backbone.local_modules[0]
local_module.decoder.loss_weight = 1.0
local_module.aux_head.loss_decode.loss_weight = 0.1
model = dict(backbone=dict(local_modules=[local_module]))
optim_wrapper = dict(optimizer=dict(lr=0.015))
train_dataloader = dict(batch_size=12)
auto_scale_lr = dict(base_batch_size=12)
