"""Detectors of the published depth and a fraction of the width."""


def narrow_detector(cfg):
    """Narrow a RetinaNet, Faster R-CNN or Mask R-CNN with an FPN.

    Args:
        cfg (Config): A whole config of mmdet's or of ours; changed in place.
    """
    model, width = cfg.model, 32
    backbone = model.backbone
    backbone = backbone.get('backbone', backbone)
    backbone.init_cfg = None
    if backbone.type == 'SwinTransformer':
        backbone.embed_dims = channels = 24
    else:
        backbone.update(stem_channels=8, base_channels=8)
        channels = 8 * (4 if backbone.depth >= 50 else 1)
    model.neck.update(
        in_channels=[channels << i for i in range(4)], out_channels=width
    )
    for name in ('bbox_head', 'rpn_head'):
        if name in model:
            model[name].update(in_channels=width, feat_channels=width)
    roi_head = model.get('roi_head')
    if roi_head is None:
        return
    model.train_cfg.rpn_proposal.update(nms_pre=100, max_per_img=50)
    model.train_cfg.rcnn.sampler.num = 32
    model.test_cfg.rpn.update(nms_pre=100, max_per_img=50)
    roi_head.bbox_roi_extractor.out_channels = width
    roi_head.bbox_head.update(in_channels=width, fc_out_channels=width)
    if 'mask_head' in roi_head:
        roi_head.mask_roi_extractor.out_channels = width
        roi_head.mask_head.update(in_channels=width, conv_out_channels=width)
