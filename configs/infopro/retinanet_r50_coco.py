# RetinaNet-R50-FPN on COCO, InfoPro K=3. Ours: the authors published
# no detector. mmdetection freezes the stem and layer1: nothing of them is kept
# for a backward pass, so a cut before the end of layer1 saves nothing; the
# first is at the end of layer2.
#
# One GPU:    python tools/train.py configs/infopro/retinanet_r50_coco.py \
#             --auto-scale-lr
# Eight GPUs: bash tools/dist_train.sh \
#             configs/infopro/retinanet_r50_coco.py 8
_base_ = [
    '../e2e/retinanet_r50_coco.py',
    '../_base_/local_modules/coco.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            boundaries=['layer2.3', 'layer3.5'],
            decoder=_base_.decoder,
            aux_head=_base_.aux_head,
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
default_hooks = dict(
    reconstruction=dict(type='ReconstructionHook', interval=4000)
)
