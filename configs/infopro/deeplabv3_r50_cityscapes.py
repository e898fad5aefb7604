# DeepLabV3-R50-D8 on Cityscapes, InfoPro K=2 (not in the paper): weights and
# aux nets of the published R101.
#
# The cut after block 3 of layer3 takes the least memory of all: for 2 images
# of 512 x 1024 the peak of an iteration is 3.24 GiB, 37 % below end to end
# (5.17 GiB); one block earlier it is 3.35 GiB, one later 3.42 GiB, at the end
# of layer2 3.86 GiB and in layer4 at least 4.15 GiB (parameters, gradients,
# momentum and activations).
#
# One GPU:    python tools/train.py \
#             configs/infopro/deeplabv3_r50_cityscapes.py
# Four GPUs:  bash tools/dist_train.sh \
#             configs/infopro/deeplabv3_r50_cityscapes.py 4 \
#             --cfg-options train_dataloader.batch_size=2
_base_ = ['../e2e/deeplabv3_r50_cityscapes.py']
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=[
            dict(
                boundary='layer3.3',
                decoder=dict(
                    type='ReconstructionDecoder',
                    channels=(128, 32, 12),
                    norm_cfg=_base_.norm_cfg,
                    loss_weight=1.5,
                ),
                aux_head=dict(
                    type='mmseg.FCNHead',
                    channels=512,
                    num_convs=1,
                    concat_input=False,
                    dropout_ratio=0.1,
                    num_classes=19,
                    norm_cfg=_base_.norm_cfg,
                    align_corners=True,
                    # as for R101
                    init_cfg=None,
                    loss_decode=dict(
                        type='mmseg.CrossEntropyLoss',
                        avg_non_ignore=True,
                        loss_weight=1.0,
                    ),
                ),
            )
        ],
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
default_hooks = dict(
    reconstruction=dict(type='ReconstructionHook', interval=4000)
)
