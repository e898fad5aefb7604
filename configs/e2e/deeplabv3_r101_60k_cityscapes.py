# DeepLabV3-R101-D8 on Cityscapes, end to end for 60,000 iterations: the longer
# baseline of InfoPro's Table 5.
_base_ = ['./deeplabv3_r101_cityscapes.py']
param_scheduler = [
    dict(
        type='PolyLR',
        eta_min=1e-4,
        power=0.9,
        begin=0,
        end=60000,
        by_epoch=False,
    )
]
train_cfg = dict(max_iters=60000)
