"""InfoPro's released weights give our networks the authors' outputs.

The files are not at hand: networks built here in the authors' form, of
torchvision, mmseg and the sequences of their aux nets, have their names.
"""

import pickle
from itertools import pairwise

import pytest
import torch
import torchvision
from mmengine.registry import init_default_scope
from torch import nn
from torchvision.models.resnet import Bottleneck

from localsup_mm.cli.main import run_command
from localsup_mm.conversion import RELEASES, convert_file, convert_weights
from localsup_mm.hosts import read_config
from localsup_mm.simulation import build_host_model

IMAGENET = {
    'resnet101': torchvision.models.resnet101,
    'resnet152': torchvision.models.resnet152,
    'resnext101-32x8d': torchvision.models.resnext101_32x8d,
}
CITYSCAPES = 'localsup_mm::infopro/deeplabv3_r101_cityscapes.py'


def make_decoder(channels):
    widths = [channels, 128, 32, 12]
    layers = []
    for i, (width, out) in enumerate(pairwise(widths)):
        kernel = 3 if i else 1
        layers += [
            nn.Conv2d(width, out, kernel, padding=kernel // 2),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode='bilinear', align_corners=True),
        ]
    return nn.Sequential(*layers, nn.Conv2d(12, 3, 3, padding=1), nn.Sigmoid())


def make_classifier():
    widths, kernels, strides = [512, 128, 256, 512, 2048], '1331', '1221'
    layers = []
    for i, (kernel, stride) in enumerate(zip(map(int, kernels), strides)):
        layers += [
            nn.Conv2d(
                widths[i],
                widths[i + 1],
                kernel,
                int(stride),
                kernel // 2,
                bias=False,
            ),
            nn.BatchNorm2d(widths[i + 1]),
            nn.ReLU(),
        ]
    pool = nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(*layers, pool, nn.Flatten(), nn.Linear(2048, 1000))


def make_segmenter(channels, width):
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Dropout2d(0.1),
        nn.Conv2d(width, 19, 1),
    )


def make_imagenet(name):
    network = IMAGENET[name]()
    network.decoder = nn.Sequential()
    network.decoder.decoder = make_decoder(512)
    network.head = make_classifier()
    return randomize(network)


def make_cityscapes(cfg):
    network = build_host_model(cfg, is_local=False)
    width = cfg.model.backbone.local_modules[0].aux_head.channels
    channels = network.auxiliary_head.in_channels
    network.head_inter = make_segmenter(channels, width)
    network.decoder_inter = make_decoder(channels)
    return randomize(network)


def randomize(network):
    """Let norms shift and scale, and biases count."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def expand(network):
    """Weights of the same names and shapes that take no room in a file."""
    return {
        key: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape)
        for key, tensor in network.state_dict().items()
    }


@pytest.fixture(scope='module')
def tiny():
    """The config of Cityscapes at an eighth of the width."""
    cfg = read_config(CITYSCAPES)
    init_default_scope(cfg.default_scope)
    backbone = cfg.model.backbone.backbone
    backbone.update(stem_channels=8, base_channels=8)
    cfg.model.decode_head.update(in_channels=256, channels=8)
    cfg.model.auxiliary_head.update(in_channels=128, channels=8)
    cfg.model.backbone.local_modules[0].aux_head.channels = 16
    return cfg


def local_module(model):
    return model.backbone.local_supervision.local_modules[0]


@torch.no_grad()
def assert_same_aux_nets(model, decoder, classify, theirs):
    """Aux nets give what the authors' give, from the same features."""
    module = local_module(model)
    x = torch.randn(2, theirs[0].in_channels, 4, 4)
    rebuilt = module.decoder.reconstruct((x,), torch.Size((32, 32)))
    torch.testing.assert_close(rebuilt, decoder(x))
    torch.testing.assert_close(classify(module, (x,)), theirs(x))


@torch.no_grad()
def test_imagenet(tmp_path, capsys):
    network = make_imagenet('resnet101')
    weights = {f'module.{k}': v for k, v in network.state_dict().items()}
    src, dst = str(tmp_path / 'released.pth'), str(tmp_path / 'ours.pth')
    # what a training saves beside them, a thing of a class among it
    state = dict(epoch=90, state_dict=weights, best=pytest.approx(1))
    torch.save(state, src)
    run_command(['convert', 'infopro', src, dst])
    config = 'localsup_mm::infopro/resnet101_imagenet.py'
    printed = capsys.readouterr().out
    assert f'localsup test {config} {dst}' in printed
    assert 'not used: 0\n' in printed
    assert 'not found: 0\n' in printed
    cfg = read_config(config)
    init_default_scope(cfg.default_scope)
    model = build_host_model(cfg).eval()
    checkpoint = torch.load(dst, weights_only=True)
    model.load_state_dict(checkpoint['state_dict'])
    assert checkpoint['state_dict'].keys() == model.state_dict().keys()
    images = torch.randn(2, 3, 64, 64)
    ours = model.head.fc(model.neck(model.backbone(images))[-1])
    torch.testing.assert_close(ours, network(images))

    def classify(module, feats):
        return module.aux_head.fc(module.aux_neck(feats)[-1])

    assert_same_aux_nets(
        model, network.decoder.decoder, classify, network.head
    )


@torch.no_grad()
def test_cityscapes(tiny):
    network = make_cityscapes(tiny)
    model = build_host_model(tiny).eval()
    release = RELEASES['infopro'][1]
    theirs = network.state_dict()
    converted = convert_weights(theirs, release, model.state_dict())
    assert (converted.unused, converted.not_found) == ([], [])
    model.load_state_dict(converted.state_dict)
    for key, tensor in model.state_dict().items():
        if 'local_supervision' not in key:  # bit by bit
            assert torch.equal(tensor, theirs[key]), key
    images = torch.randn(1, 3, 64, 64)
    for ours, expected in zip(
        (model(images), model.auxiliary_head(model.backbone(images))),
        (network(images), network.auxiliary_head(network.backbone(images))),
    ):
        assert torch.equal(ours, expected)

    def classify(module, feats):
        return module.aux_head(feats)

    assert_same_aux_nets(
        model, network.decoder_inter, classify, network.head_inter
    )


@torch.no_grad()
def test_a_bias_before_a_norm_is_folded_exactly(tiny):
    """In training, too: a batch norm takes the bias off again."""
    network = make_cityscapes(tiny).double()
    bias = network.head_inter[0].bias
    nn.init.normal_(bias, std=3)
    model = build_host_model(tiny).double().eval()
    before = network.state_dict()['head_inter.1.running_mean'].clone()
    converted = convert_weights(
        network.state_dict(), RELEASES['infopro'][1], model.state_dict()
    )
    # the authors' file stays as it is
    assert torch.equal(network.head_inter[1].running_mean, before)
    model.load_state_dict(converted.state_dict)
    x = torch.randn(2, 128, 8, 8, dtype=torch.float64)
    for is_training in (False, True):
        conv = local_module(model).aux_head.convs[0].train(is_training)
        theirs = network.head_inter[:3].train(is_training)
        torch.testing.assert_close(conv(x), theirs(x))
    torch.testing.assert_close(
        conv.bn.running_mean, theirs[1].running_mean - bias
    )


@pytest.mark.parametrize('name', ['resnet152', 'resnext101-32x8d'])
def test_the_file_tells_its_network(name, tmp_path):
    src, dst = str(tmp_path / 'released.pth'), str(tmp_path / 'ours.pth')
    torch.save(expand(make_imagenet(name)), src)
    converted = convert_file('infopro', src, dst)
    assert converted.config == f'localsup_mm::infopro/{name}_imagenet.py'
    assert (converted.unused, converted.not_found) == ([], [])


def test_without_aux_nets_with_other_things(tmp_path, capsys):
    """As a file of end-to-end training, or one with a layer more."""
    cfg = read_config(CITYSCAPES)
    init_default_scope(cfg.default_scope)
    weights = expand(build_host_model(cfg, is_local=False))
    del weights['backbone.stem.1.num_batches_tracked']
    weights['fisher.weight'] = torch.zeros(1)
    src, dst = str(tmp_path / 'released.pth'), str(tmp_path / 'ours.pth')
    meta = dict(mmseg_version='0.8.0', CLASSES=('road',))
    torch.save(dict(meta=meta, state_dict=weights), src)
    run_command(['convert', 'infopro', src, dst])
    printed = capsys.readouterr().out
    assert 'not used: 1\n  fisher.weight\n' in printed
    assert '\n  backbone.stem.1.num_batches_tracked\n' in printed
    assert 'local_modules.0.aux_head.conv_seg.weight\n' in printed
    checkpoint = torch.load(dst, weights_only=True)
    assert checkpoint['meta'] == meta
    assert not any('local_sup' in key for key in checkpoint['state_dict'])


def refuse(weights, tmp_path, message):
    src, dst = tmp_path / 'released.pth', tmp_path / 'ours.pth'
    torch.save(weights, src)
    with pytest.raises(ValueError, match=message):
        convert_file('infopro', str(src), str(dst))
    assert not dst.exists()


@pytest.mark.parametrize(
    ('blocks', 'closest', 'weight'),
    [
        ([3, 4, 6, 3], '101', 'layer3.6.conv1.weight'),
        # all of ours is in it
        ([3, 8, 37, 3], '152', 'layer3.36.conv1.weight'),
    ],
    ids=['fewer blocks', 'more blocks'],
)
def test_another_network(blocks, closest, weight, tmp_path):
    """The closest of ours and a weight are named."""
    with torch.device('meta'):
        network = torchvision.models.ResNet(Bottleneck, blocks)
    refuse(
        expand(network),
        tmp_path,
        r'`src` should be .* infopro released, .*released.pth.*the closest, '
        rf".*resnet{closest}_imagenet.py, differs in 'backbone.{weight}' and "
        r'\d+ more .* Download one that configs/infopro/README.md names',
    )


def test_a_file_of_something_else(tmp_path):
    refuse(
        {'encoder.weight': torch.zeros(1)},
        tmp_path,
        r"without 'fc.weight' or 'decode_head.conv_seg.weight' \(1 weights\)",
    )


class Trap:
    """Leaves a trace where its pickle is run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, 'w'))


@pytest.mark.parametrize('protocol', [2, 4])
def test_no_code_of_a_file_is_run(tmp_path, protocol):
    src, trap = tmp_path / 'released.pth', tmp_path / 'trap'
    content = dict(state_dict={}, log=Trap(str(trap)))
    if protocol == 2:
        torch.save(content, src)
    else:
        src.write_bytes(pickle.dumps(content, protocol))
    with pytest.raises(ValueError, match=r'`(src|checkpoint)` should'):
        convert_file('infopro', str(src), str(tmp_path / 'ours.pth'))
    assert not trap.exists()


def test_the_file_stays_where_it_is(tmp_path):
    src, dst = tmp_path / 'released.pth', tmp_path / 'ours.pth'
    src.write_bytes(b'theirs')
    dst.write_bytes(b'ours')
    with pytest.raises(ValueError, match='another file than `src`'):
        convert_file('infopro', str(src), str(src), overwrite=True)
    with pytest.raises(FileExistsError, match='--force'):
        convert_file('infopro', str(src), str(dst))
    assert (src.read_bytes(), dst.read_bytes()) == (b'theirs', b'ours')
