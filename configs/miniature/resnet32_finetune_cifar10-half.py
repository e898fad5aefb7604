# Fine-tuning of resnet32_cifar10-half.py, which is trained before, on 5,000
# images of the other five classes, end to end.
_base_ = ['./resnet32_cifar10-half.py']
pretrained = 'work_dirs/miniature/resnet32_cifar10-half/epoch_15.pth'
labels = [5, 6, 7, 8, 9]
model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained', checkpoint=pretrained, prefix='backbone.'
        )
    )
)
train_dataloader = dict(dataset=dict(labels=labels, indices=5000))
val_dataloader = dict(dataset=dict(labels=labels))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=0.02))
param_scheduler = dict(end=30, warmup=1, warmup_lr=0.002)
train_cfg = dict(max_epochs=30)
default_hooks = dict(logger=dict(interval=13), checkpoint=dict(interval=5))
