"""Detectors of the published depth and a fraction of the width."""

from typing import Optional

from localsup_mm.hosts import read_config


def narrow_detector(cfg, channels=None, width=32, num_classes=None):
    """Narrow a RetinaNet, Faster R-CNN or Mask R-CNN with an FPN.

    Args:
        cfg (Config): A whole config of mmdet's or of ours; changed in place.
        channels (int, optional): Those of the first stage. Defaults to None:
            8 of a ResNet, 24 of a Swin.
        width (int): Channels of neck and heads. Defaults to 32.
        num_classes (int, optional): Of all heads. Defaults to None: as the
            config has them.
    """
    model = cfg.model
    backbone = model.backbone
    backbone = backbone.get('backbone', backbone)
    backbone.init_cfg = None
    if backbone.type.endswith('SwinTransformer'):
        backbone.embed_dims = first = channels or 24
    else:
        channels = channels or 8
        backbone.update(stem_channels=channels, base_channels=channels)
        first = channels * (4 if backbone.depth >= 50 else 1)
    model.neck.update(
        in_channels=[first << i for i in range(4)], out_channels=width
    )
    roi_head = model.get('roi_head') or {}
    heads = [model.get('bbox_head'), model.get('rpn_head')]
    for head in filter(None, heads):
        head.update(in_channels=width, feat_channels=width)
    heads += [roi_head.get('bbox_head'), roi_head.get('mask_head')]
    for head in heads if num_classes else ():
        if head and 'num_classes' in head:
            head.num_classes = num_classes
    if not roi_head:
        return
    model.train_cfg.rpn_proposal.update(nms_pre=100, max_per_img=50)
    model.train_cfg.rcnn.sampler.num = 32
    model.test_cfg.rpn.update(nms_pre=100, max_per_img=50)
    roi_head.bbox_roi_extractor.out_channels = width
    roi_head.bbox_head.update(in_channels=width, fc_out_channels=width)
    if 'mask_head' in roi_head:
        roi_head.mask_roi_extractor.out_channels = width
        roi_head.mask_head.update(in_channels=width, conv_out_channels=width)


def read_narrow_model(path, backbone, channels: Optional[int] = None):
    """Read a detector of mmdet's for a narrow backbone and three classes.

    Args:
        path (str): A config of mmdet's.
        backbone (dict): The backbone.
        channels (int, optional): See :func:`narrow_detector`.

    Returns:
        dict: Its model, without backbone and data preprocessor.
    """
    cfg = read_config(path)
    cfg.model.backbone = backbone
    narrow_detector(cfg, channels, width=8, num_classes=3)
    model = cfg.model.to_dict()
    del model['backbone'], model['data_preprocessor']
    model['type'] = f'mmdet.{model["type"]}'
    return model
