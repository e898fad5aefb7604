# 90 epochs of SGD with Nesterov momentum, cosine learning rate, batch 1024.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='SGD', lr=0.4, momentum=0.9, nesterov=True, weight_decay=1e-4
    ),
)
param_scheduler = dict(type='CosineAnnealingLR', T_max=90, by_epoch=True)
train_cfg = dict(by_epoch=True, max_epochs=90, val_interval=1)
val_cfg = {}
test_cfg = {}
auto_scale_lr = dict(enable=False, base_batch_size=1024)
