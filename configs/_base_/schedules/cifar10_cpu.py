# A short schedule for a CPU, the same for every method: 1,000 iterations of 40
# images, that is 40,000 of the 50,000 training images once each; all 10,000
# test images every 200 iterations.
optim_wrapper = dict(optimizer=dict(lr=0.05))
param_scheduler = dict(end=1000, warmup=50, by_epoch=False)
train_cfg = dict(
    _delete_=True, by_epoch=False, max_iters=1000, val_interval=200
)
train_dataloader = dict(
    batch_size=40,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='InfiniteSampler'),
)
val_dataloader = dict(batch_size=100, num_workers=0, persistent_workers=False)
test_dataloader = dict(batch_size=100, num_workers=0, persistent_workers=False)
auto_scale_lr = dict(base_batch_size=40)
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(interval=20, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=200, max_keep_ckpts=1),
)
