# 15 epochs of SGD with Nesterov momentum and a cosine learning rate that ends
# at 0, for one core of a CPU.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='SGD', lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4
    ),
)
param_scheduler = dict(type='WarmupCosineLR', end=15, warmup=1, warmup_lr=0.01)
train_cfg = dict(by_epoch=True, max_epochs=15, val_interval=1)
val_cfg = {}
test_cfg = {}
auto_scale_lr = dict(enable=False, base_batch_size=128)
