"""Transformers of the published depth and a fraction of the width."""

SIZE = 64


def narrow_transformer(cfg):
    """Narrow a classifier or segmentor for images of 64 x 64 pixels.

    Args:
        cfg (Config): A whole config of a host's or of ours; changed in place.
    """
    model = cfg.model
    backbone = model.backbone
    backbone = backbone.get('backbone', backbone)
    # it would drop a block for all images of a small batch now and then
    backbone.update(init_cfg=None, drop_path_rate=0.0)
    kind = backbone.type.rsplit('.', 1)[-1]
    if cfg.default_scope == 'mmpretrain':
        model.head.in_channels = _narrow_classifier(kind, backbone)
        if 'local_modules' in model.backbone:
            # a ViT's head starts from zero, and first hands on no gradient
            model.backbone.local_modules.aux_head.init_cfg = None
        return
    model.pretrained = None
    model.data_preprocessor.size = (SIZE, SIZE)
    channels = _narrow_of_segmentor(kind, backbone)
    if model.get('neck'):
        model.neck.update(in_channels=channels, out_channels=channels[0])
    model.decode_head.update(in_channels=channels, channels=8)
    if model.get('auxiliary_head'):
        index = model.auxiliary_head.in_index
        model.auxiliary_head.update(in_channels=channels[index], channels=8)
    if model.test_cfg.mode == 'slide':
        model.test_cfg.update(crop_size=(SIZE, SIZE), stride=(48, 48))


def _narrow_classifier(kind, backbone):
    backbone.img_size = SIZE
    if kind == 'SwinTransformer':
        # maps of 2 to 16 pixels, windows of 7
        backbone.pad_small_map = True
        backbone.arch = dict(
            embed_dims=12, depths=[2, 2, 6, 2], num_heads=[1, 2, 3, 4]
        )
        return 96
    backbone.arch = dict(
        embed_dims=24, num_layers=12, num_heads=3, feedforward_channels=48
    )
    return 24


def _narrow_of_segmentor(kind, backbone):
    if kind == 'VisionTransformer':
        backbone.update(img_size=(SIZE, SIZE), embed_dims=24, num_heads=3)
        return [24] * 4
    if kind == 'SwinTransformer':
        backbone.update(embed_dims=12, num_heads=[1, 2, 3, 4])
        return [12, 24, 48, 96]
    backbone.embed_dims = 8
    return [8 * heads for heads in backbone.num_heads]
