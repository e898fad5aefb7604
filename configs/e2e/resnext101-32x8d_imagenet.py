# ResNeXt-101 32x8d on ImageNet, end to end. The batch is that of InfoPro's
# Table 4, half of that in the authors' command, and lr goes with it.
_base_ = ['./resnet101_imagenet.py']
model = dict(backbone=dict(type='ResNeXt', groups=32, width_per_group=8))
optim_wrapper = dict(optimizer=dict(lr=0.2))
train_dataloader = dict(batch_size=64)
auto_scale_lr = dict(base_batch_size=512)
