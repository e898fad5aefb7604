"""Parts of a local module, their channels and their initialization."""

import pytest
import torch
import torch.nn.functional as F
from cases import CASES, DENSE_HEAD, FPN, build_model, make_batch
from cases import DECODER as PADDED
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS
from mmengine.structures import PixelData
from mmpretrain.structures import DataSample
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
from torch import nn

from localsup_mm import LocalStep, lend_step, supervise_locally
from localsup_mm.hosts import installed
from localsup_mm.supervision import LocalModule
from localsup_mm.tracing import Boundary
from localsup_mm.upstream import BatchNorm

NORMALIZED = dict(mean=[0.0] * 3, std=[255.0] * 3)
BOUNDARY = Boundary('layer1', channels=8, stride=4)
FCN = dict(
    type='mmseg.FCNHead',
    channels=8,
    num_convs=1,
    concat_input=False,
    num_classes=5,
)


def test_in_channels_come_from_the_trace():
    module = LocalModule(BOUNDARY, decoder={}, aux_head=FCN)
    assert module.decoder.hidden[0][0].in_channels == 8
    assert module.aux_head.convs[0].conv.in_channels == 8


def test_neck_before_the_head():
    module = LocalModule(
        BOUNDARY,
        aux_neck=dict(type='mmpretrain.GlobalAveragePooling'),
        aux_head=dict(type='mmpretrain.LinearClsHead', num_classes=3),
    )
    assert module.aux_head.fc.in_features == 8


CLIP_BOUNDARY = Boundary('layer1', channels=8, stride=4, frame_stride=2)
FLAT = dict(type='ReconstructionDecoder', num_dims=2)
DEEP = dict(type='ReconstructionDecoder', num_dims=3)


@pytest.mark.parametrize(
    ('boundary', 'decoder', 'expected'),
    [
        (CLIP_BOUNDARY, FLAT, '`num_dims` of decoder should be 3.*but got 2'),
        (BOUNDARY, DEEP, '`num_dims` of decoder should be 2.*but got 3'),
    ],
)
def test_decoder_of_another_kind(boundary, decoder, expected):
    with pytest.raises(ValueError, match=expected):
        LocalModule(boundary, decoder=decoder)


@MODELS.register_module()
class ClipNeck(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.conv = nn.Conv3d(in_channels, 4, 1)
        self.out_channels = 4

    def forward(self, feats):
        return (self.conv(feats[-1]),)


@MODELS.register_module()
class FrameNeck(nn.Module):
    """A neck for images that lays the frames of clips side by side."""

    def __init__(self, in_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4, 1)
        self.out_channels = 4

    def forward(self, feats):
        return (self.conv(feats[-1].flatten(3)).unflatten(3, (3, 5)),)


@pytest.mark.parametrize(
    ('boundary', 'shape', 'parts', 'expected'),
    [
        (
            CLIP_BOUNDARY,
            (2, 8, 4, 3, 5),
            dict(aux_head=FCN),
            r'`aux_head` .* of clips .*, but got FCNHead, whose Conv2d.*'
            'Choose a part for clips',
        ),
        (
            BOUNDARY,
            (2, 8, 3, 5),
            dict(aux_neck=dict(type='ClipNeck'), aux_head=FCN),
            '`aux_neck` .* of images.*, but got ClipNeck, whose Conv3d',
        ),
    ],
)
def test_parts_of_another_kind(boundary, shape, parts, expected):
    module = LocalModule(boundary, **parts)
    with pytest.raises(ValueError, match=expected):
        module.loss(torch.rand(shape), torch.rand(2, 3, 12, 20), [])


def test_a_part_for_images_may_take_clips():
    head = dict(type='ToyHead')
    module = LocalModule(
        CLIP_BOUNDARY, aux_neck=dict(type='FrameNeck'), aux_head=head
    )
    feats = torch.rand(2, 8, 4, 3, 5)
    losses = module.loss(feats, torch.rand(2, 3, 8, 12, 20), torch.arange(2))
    assert losses['loss_ce'].isfinite()


STAGES = [
    Boundary('layer1', channels=4, stride=4),
    Boundary('layer2.0', channels=6, stride=8),
    Boundary('layer2.1', channels=8, stride=8),
    Boundary('layer3', channels=16, stride=16),
]


def strides_of(head):
    return [a for a, _ in head.prior_generator.strides]


def test_strides_of_a_dense_head_come_from_the_trace():
    module = LocalModule(STAGES[3], aux_head=DENSE_HEAD)
    assert strides_of(module.aux_head) == [16]
    assert module.aux_head.in_channels == 16
    points = LocalModule(
        STAGES[3],
        aux_neck=FPN,
        aux_head=dict(
            type='mmdet.FCOSHead',
            num_classes=3,
            regress_ranges=((-1, 64), (64, 128), (128, 1e8)),
        ),
    )
    assert strides_of(points.aux_head) == [16, 32, 64]
    assert points.aux_head.in_channels == FPN['out_channels']


def test_strides_other_than_the_traced():
    anchors = dict(DENSE_HEAD['anchor_generator'], strides=[8])
    with pytest.raises(ValueError, match=r'`strides`.*\[16\].*\[8\]'):
        LocalModule(
            STAGES[3], aux_head=dict(DENSE_HEAD, anchor_generator=anchors)
        )


def test_pyramid_has_the_last_boundary_of_each_finer_stride():
    module = LocalModule(
        STAGES[3],
        earlier=STAGES[:3],
        pyramid=True,
        aux_neck=dict(FPN, num_outs=4),
        aux_head=DENSE_HEAD,
    )
    assert module.levels == (0, 2)
    assert module.aux_neck.in_channels == [4, 8, 16]
    assert strides_of(module.aux_head) == [4, 8, 16, 32]
    own = LocalModule(STAGES[2], earlier=STAGES[:2], pyramid=True, decoder={})
    assert own.levels == (0,)


def test_several_heads():
    classes = dict(type='ClassMapHead', num_classes=3)
    module = LocalModule(STAGES[3], aux_head=[DENSE_HEAD, classes])
    assert module.aux_head[1].convs[0].in_channels == 16
    twice = LocalModule(STAGES[3], aux_head=[classes, classes])
    model = build_model(CASES['retinanet'])
    inputs, samples = make_batch(model)
    feats = torch.rand(2, 16, 4, 4)
    losses = module.loss(feats, inputs, samples)
    assert {'loss_bbox', 'loss_class_map'} <= losses.keys()
    with pytest.raises(ValueError, match=r'different names.*ClassMapHead'):
        twice.loss(feats, inputs, samples)


@pytest.mark.parametrize('with_decoder', [False, True])
@pytest.mark.parametrize('with_boxes', [False, True])
@pytest.mark.parametrize('with_classes', [False, True])
def test_each_term_of_a_detector_alone(with_decoder, with_boxes, with_classes):
    parts = {}
    if with_decoder:
        parts['decoder'] = dict(PADDED, mean=[0.0] * 3, std=[255.0] * 3)
    heads = [DENSE_HEAD] * with_boxes
    heads += [dict(type='ClassMapHead', num_classes=3)] * with_classes
    if heads:
        parts['aux_head'] = heads
    if not parts:
        with pytest.raises(ValueError, match='neither'):
            LocalModule(STAGES[3], **parts)
        return
    model = build_model(CASES['retinanet'])
    inputs, samples = make_batch(model)
    feats = torch.rand(2, 16, 4, 4)
    losses = LocalModule(STAGES[3], **parts).loss(feats, inputs, samples)
    assert ('loss_recon' in losses) == with_decoder
    assert ('loss_bbox' in losses) == with_boxes
    assert ('loss_class_map' in losses) == with_classes


def test_neither_decoder_nor_head():
    with pytest.raises(ValueError, match=r"'layer1'.*neither"):
        LocalModule(BOUNDARY)


def test_missing_host(monkeypatch):
    find = installed.find_spec
    monkeypatch.setattr(
        installed,
        'find_spec',
        lambda name, *a: None if name == 'mmdet' else find(name, *a),
    )
    with pytest.raises(ImportError, match=r"'mmdet\.RetinaHead'.*pip install"):
        LocalModule(BOUNDARY, aux_head=dict(type='mmdet.RetinaHead'))


def test_scope_of_an_inherited_variable_is_dropped():
    norm = dict(type='SyncBN', requires_grad=True, _scope_='mmseg')
    module = LocalModule(
        BOUNDARY,
        decoder=dict(norm_cfg=norm),
        aux_head=dict(FCN, norm_cfg=norm),
    )
    assert isinstance(module.aux_head.convs[0].bn, torch.nn.SyncBatchNorm)
    assert norm['_scope_'] == 'mmseg'


def test_aux_nets_are_initialized_under_a_pretrained_backbone(tmp_path):
    """A host's init_weights that loads a file may not reach the aux nets."""
    swin = dict(
        type='mmseg.SwinTransformer',
        embed_dims=12,
        depths=(1, 1, 1, 1),
        num_heads=(1, 1, 1, 1),
    )
    path = str(tmp_path / 'swin.pth')
    torch.save(MODELS.build(swin).state_dict(), path)
    backbone = MODELS.build(
        dict(
            type='LocalBackbone',
            backbone=dict(
                swin, init_cfg=dict(type='Pretrained', checkpoint=path)
            ),
            local_modules=[dict(boundary='stages.1.blocks.0', aux_head=FCN)],
        )
    )
    backbone.init_weights()
    head = backbone.local_supervision.local_modules[0].aux_head
    # mmseg's FCNHead asks for std 0.01; torch's default is about 0.2 here
    assert 0.005 < head.conv_seg.weight.std() < 0.015
    assert backbone.patch_embed.projection.weight.equal(
        torch.load(path)['patch_embed.projection.weight']
    )


def test_plain_optim_wrapper_is_told_what_to_do():
    model = build_model(CASES['toy'])
    inputs, labels = make_batch()
    with pytest.raises(RuntimeError, match="type='LocalOptimWrapper'"):
        model(inputs, labels, mode='loss')


def test_in_channels_other_than_the_trace():
    with pytest.raises(ValueError, match=r'aux_head should be 8.*but got 7'):
        LocalModule(BOUNDARY, aux_head=dict(FCN, in_channels=7))


def seg_samples(label):
    return [SegDataSample(gt_sem_seg=PixelData(data=label))]


@pytest.mark.parametrize('size', [(16, 24), (15, 22)])
def test_label_stride(size):
    """The loss is that of label maps of which only such pixels are known."""
    module = LocalModule(BOUNDARY, aux_head=FCN, label_stride=4).eval()
    inputs, feats = torch.rand(1, 3, *size), torch.rand(1, 8, 4, 6)
    label = torch.randint(5, (1, *size))
    samples = seg_samples(label)
    found = module.loss(feats, inputs, samples)
    thin = label[:, [2, 6, 10, 14]][:, :, list(range(2, size[1], 4))]
    logits = module.aux_head((feats,))
    logits = resize(logits, thin.shape[1:], mode='bilinear')
    assert found['loss_ce'].isclose(F.cross_entropy(logits, thin))
    assert samples[0].gt_sem_seg.data is label


def test_label_stride_without_a_label_map():
    module = LocalModule(BOUNDARY, aux_head=FCN, label_stride=4)
    with pytest.raises(ValueError, match='got 4 and DataSample without'):
        module.loss(
            torch.rand(1, 8, 4, 4), torch.rand(1, 3, 16, 16), [DataSample()]
        )


def test_strides_below_one():
    with pytest.raises(ValueError, match=r'`label_stride`.*got 0'):
        LocalModule(BOUNDARY, aux_head=FCN, label_stride=0)
    with pytest.raises(ValueError, match=r'`min_stride`.*got -1'):
        LocalModule(BOUNDARY, aux_head=FCN, min_stride=-1)


def test_fine_features_are_averaged():
    module = LocalModule(
        BOUNDARY,
        decoder=dict(target_stride='feature', mean=[0.0] * 3, std=[255.0] * 3),
        aux_head=FCN,
        min_stride=16,
    ).eval()
    feats = torch.rand(2, 8, 6, 9)
    inputs, samples = (
        torch.rand(2, 3, 24, 36),
        seg_samples(torch.randint(5, (1, 24, 36))),
    )
    found = module.loss(feats, inputs, samples * 2)
    averaged = F.adaptive_avg_pool2d(feats[..., :4, :8], (1, 2))
    # what is left over at the edges is averaged as well
    right = feats[..., :4, 8:].mean(dim=(-2, -1), keepdim=True)
    pooled = module.to_feature_map(feats, inputs)
    assert pooled.shape == (2, 8, 2, 3)
    assert pooled[..., :1, :2].allclose(averaged)
    assert pooled[..., :1, 2:].allclose(right)
    plain = LocalModule(
        Boundary('layer1', channels=8, stride=16),
        decoder=dict(target_stride='feature', mean=[0.0] * 3, std=[255.0] * 3),
        aux_head=FCN,
    ).eval()
    plain.load_state_dict(module.state_dict())
    expected = plain.loss(pooled, inputs, samples * 2)
    assert found.keys() == expected.keys() > {'loss_recon'}
    assert all(found[key].equal(expected[key]) for key in found)


def test_coarse_features_are_not_averaged():
    module = LocalModule(BOUNDARY, aux_head=FCN, min_stride=4)
    feats = torch.rand(2, 8, 4, 4)
    assert module.to_feature_map(feats, torch.rand(2, 3, 16, 16)) is feats


def test_tokens_are_averaged():
    boundary = Boundary('layers.1', channels=6, stride=4, num_extra_tokens=1)
    module = LocalModule(boundary, decoder={}, min_stride=8)
    tokens = torch.rand(2, 1 + 16, 6)
    pooled = module.to_feature_map(tokens, torch.rand(2, 3, 16, 16))
    assert pooled.shape == (2, 6, 2, 2)
    expected = tokens[:, [1, 2, 5, 6]].mean(dim=1)
    assert pooled[:, :, 0, 0].allclose(expected)


def test_strides_of_a_dense_head_behind_averages():
    module = LocalModule(STAGES[1], aux_head=DENSE_HEAD, min_stride=32)
    assert strides_of(module.aux_head) == [32]
    pyramid = LocalModule(
        STAGES[3],
        earlier=STAGES[:3],
        pyramid=True,
        aux_neck=dict(FPN, num_outs=2),
        aux_head=DENSE_HEAD,
        min_stride=8,
    )
    assert pyramid.levels == (2,)
    assert strides_of(pyramid.aux_head) == [8, 16]


@pytest.mark.parametrize(
    ('part', 'value'),
    [('decoder', 'Decoder'), ('aux_head', {}), ('aux_neck', 3)],
)
def test_part_without_a_type(part, value):
    cfg = {'aux_head': FCN, part: value}
    with pytest.raises(TypeError, match=f'`{part}`.*{value!r}'):
        LocalModule(BOUNDARY, **cfg)


ONE_VALUE = {
    # a norm behind the pooling, as of --method dgl
    'dgl': dict(
        aux_neck=dict(type='MLPSRNeck'),
        aux_head=dict(type='mmpretrain.LinearClsHead', num_classes=3),
    ),
    'decoder': dict(decoder=dict(target_stride='feature', **NORMALIZED)),
    'host': dict(aux_head=dict(FCN, norm_cfg=dict(type='SyncBN'))),
}


@pytest.mark.parametrize('name', ONE_VALUE)
def test_norms_take_one_value_per_channel(name):
    """As of a last batch of one image, or of features of one pixel."""
    module = LocalModule(BOUNDARY, **ONE_VALUE[name])
    module = revert_sync_batchnorm(module).train()
    norms = [m for m in module.modules() if isinstance(m, BatchNorm)]
    assert norms
    for number in (1, 2):
        samples = [DataSample().set_gt_label(0) for _ in range(number)]
        if name == 'host':
            labels = PixelData(data=torch.zeros(1, 4, 4).long())
            samples = [SegDataSample(gt_sem_seg=labels)] * number
        feats = torch.rand(number, 8, 1, 1, requires_grad=True)
        losses = module.loss(feats, torch.rand(number, 3, 4, 4), samples)
        total = sum(v for k, v in losses.items() if 'loss' in k)
        total.backward()
        assert feats.grad.isfinite().all()
        assert all(norm.training for norm in norms)


@pytest.mark.parametrize('channels', [8, 12, 20, 32])
def test_groups_of_a_norm_divide_the_channels(channels):
    norm = dict(type='GN', num_groups=32, requires_grad=True)
    boundary = Boundary('layer1', channels=channels, stride=4)
    module = LocalModule(
        boundary,
        decoder=dict(channels=(channels, 12), norm_cfg=norm, **NORMALIZED),
        aux_neck=dict(type='ConvPool', norm_cfg=norm, channels=[channels]),
        aux_head=dict(type='mmpretrain.LinearClsHead', num_classes=3),
    )
    norms = [m for m in module.modules() if isinstance(m, nn.GroupNorm)]
    assert [m.num_channels for m in norms] == [channels, 12, channels]
    assert all(m.num_channels % m.num_groups == 0 for m in norms)
    samples = [DataSample().set_gt_label(0) for _ in range(2)]
    losses = module.loss(
        torch.rand(2, channels, 8, 8), torch.rand(2, 3, 32, 32), samples
    )
    assert losses['loss_recon'].isfinite()


def test_labels_that_are_missing_are_an_error():
    net = supervise_locally(
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1)),
        [dict(boundary='1', aux_head=FCN)],
    )
    with (
        pytest.raises(RuntimeError, match=r'FCNHead learns from.*got None\.'),
        lend_step(net, LocalStep(lambda module, losses: None)),
    ):
        net(torch.rand(2, 3, 8, 8))


@pytest.mark.parametrize(
    ('key', 'closest'),
    [('aux_hed', 'aux_head'), ('decodr', 'decoder'), ('zzz', None)],
)
@pytest.mark.parametrize('rule', [False, True])
def test_name_of_an_argument(rule, key, closest):
    """A slip in a local module, or in one rule for all of them."""
    cfg = {'decoder': {}, key: {}}
    modules = [dict(boundary='conv1', **cfg)]
    if rule:
        modules = dict(boundaries=['conv1'], **cfg)
    match = f'but got {key!r}. ' + (
        f'Closest: {closest!r}' if closest else 'Leave it out'
    )
    with pytest.raises(TypeError, match=match):
        MODELS.build(
            dict(
                type='LocalBackbone',
                backbone=CASES['toy'].backbone,
                local_modules=modules,
            )
        )
