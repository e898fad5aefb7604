# DeepLabV3-R101-D8 on Cityscapes, InfoPro K=2, crop 640 x 1280 (Table 5).
_base_ = ['./deeplabv3_r101_cityscapes.py']
crop_size = (640, 1280)
train_pipeline = _base_.train_pipeline
train_pipeline[3].crop_size = crop_size
local_module = _base_.model.backbone.local_modules[0]
local_module.decoder.loss_weight = 2.0
model = dict(
    data_preprocessor=dict(size=crop_size),
    backbone=dict(local_modules=[local_module]),
)
optim_wrapper = dict(optimizer=dict(lr=0.015))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
