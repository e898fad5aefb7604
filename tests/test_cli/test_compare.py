"""Memory, time and compute of ways to train, at the smallest size."""

import argparse
import json
import re
import sys
from functools import partial

import mmseg
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.runner import set_random_seed
from PIL import Image
from processes import ROOT
from tiny_detector import narrow_detector

from localsup_mm.analysis import (
    build_model,
    derive_methods,
    make_batch,
    read_comparable,
)
from localsup_mm.analysis.training_run import TrainingRun
from localsup_mm.cli import compare as command
from localsup_mm.hosts import (
    find_checkpointing_layers,
    find_host,
    uses_activation_checkpointing,
)
from localsup_mm.metering import LiveBytes
from localsup_mm.simulation import Workload, peak_memory

SEGMENTOR = f"""
_base_ = ['{ROOT}/configs/infopro/deeplabv3_r18_k4_camvid.py']
model = dict(
    backbone=dict(backbone=dict(stem_channels=8, base_channels=8)),
    decode_head=dict(in_channels=64, channels=8),
    auxiliary_head=dict(in_channels=32, channels=8))
"""
CLASSIFIER = f"""
_base_ = ['{ROOT}/configs/infopro/resnet32_k2_softmax_cifar10.py']
model = dict(backbone=dict(
    backbone=dict(depth=8),
    local_modules=dict(
        partition=None, boundaries=['layer1.0'], loss_weights=[[1, 1]] * 2)))
"""
TRANSFORMER = f"""
_base_ = ['{ROOT}/configs/e2e/resnet32_cifar10.py']
model = dict(
    backbone=dict(
        _delete_=True, type='VisionTransformer', img_size=32, patch_size=8,
        arch=dict(embed_dims=16, num_layers=2, num_heads=2,
                  feedforward_channels=32)),
    neck=None,
    head=dict(type='VisionTransformerClsHead', in_channels=16))
"""
DETECTOR = """
_base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py']
custom_imports = dict(imports=['localsup_mm'])
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=dict(
            type='ResNet', depth=18, base_channels=8, stem_channels=8,
            frozen_stages=1, norm_eval=True,
            init_cfg=dict(type='Pretrained', checkpoint='nowhere://r18')),
        local_modules=[dict(
            boundary='layer3.0',
            decoder=dict(type='ReconstructionDecoder', channels=(8,)))]),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=16),
    bbox_head=dict(in_channels=16, feat_channels=16, num_classes=3))
optim_wrapper = dict(type='LocalOptimWrapper')
"""


@pytest.fixture(autouse=True)
def _log_level():
    logger = MMLogger.get_current_instance()
    level = logger.level
    yield
    logger.setLevel(level)
    torch.set_num_threads(1)


@pytest.fixture
def write(tmp_path):

    def write(text):
        path = tmp_path / 'net.py'
        path.write_text(text)
        return str(path)

    return write


def run(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args(words))


def compare(path, *words):
    """Run the command; returns what it writes as JSON."""
    numbers = path.replace('net.py', 'out/numbers.json')
    run(path, '--json', numbers, *words)
    with open(numbers) as file:
        return json.load(file)


def live_bytes(path, name, num_images, size):
    """Peak of a second iteration, without the command's measuring."""
    cfg = read_comparable(path, size)
    run = TrainingRun(derive_methods(cfg)[name])
    set_random_seed(0)
    batch = make_batch(cfg, num_images, size)
    for _ in range(2):
        live = LiveBytes(run.model, run.optim_wrapper.optimizer)
        with live:
            run.model.train_step(batch, run.optim_wrapper)
    return live.peak


def test_segmentor(write):
    path = write(SEGMENTOR)
    output = compare(
        path,
        *('--size', '64x64', '--rounds', '0'),
        *('--methods', 'with_cp', 'infopro', 'greedy'),
    )
    methods = output['methods']
    assert list(methods) == ['e2e', 'with_cp', 'infopro', 'greedy']
    assert output['input_shape'] == [2, 3, 64, 64]
    assert output['memory'] == 'live bytes'
    assert output['versions']['torch'] == torch.__version__
    assert output['versions']['mmseg'] == mmseg.__version__
    assert (output['optimizer'], output['step_each_module']) == ('SGD', False)
    assert methods['greedy']['boundaries'] == [
        'layer1.1',
        'layer2.1',
        'layer3.1',
    ]
    assert methods['with_cp']['boundaries'] == []
    peak = methods['e2e']['peak_memory']
    assert peak == live_bytes(path, 'e2e', 2, (64, 64))
    assert methods['with_cp']['peak_memory'] < peak
    # a step goes forward, checkpoints and all, and about twice as far back
    forward = {n: m['forward_macs'] for n, m in methods.items()}
    step = {n: m['step_macs'] for n, m in methods.items()}
    assert forward['with_cp'] == forward['e2e'] < forward['greedy']
    assert forward['greedy'] < forward['infopro']
    assert step['e2e'] < 3 * forward['e2e']
    recomputed = step['with_cp'] - step['e2e']
    assert 0.2 * forward['e2e'] < recomputed < forward['e2e']
    model = build_model(derive_methods(read_comparable(path))['infopro'])
    aux_nets = model.backbone.local_supervision.parameters()
    more = methods['infopro']['parameters'] - methods['e2e']['parameters']
    assert more == sum(p.numel() for p in aux_nets)


def test_segmentor_on_fake_tensors(write, tmp_path):
    path, picture = write(SEGMENTOR), tmp_path / 'front.png'
    output = compare(
        path,
        *('--fake', '--size', '64x64', '--chart', str(picture)),
        *('--methods', 'infopro+with_cp'),
    )
    methods = output['methods']
    assert list(methods) == ['e2e', 'infopro+with_cp']
    model = build_model(derive_methods(read_comparable(path))['e2e'])
    peak = peak_memory(
        Workload(
            model,
            (2, 3, 64, 64),
            partial(
                find_host('mmseg').make_data_samples, read_comparable(path)
            ),
            lambda params: torch.optim.SGD(params, lr=0.01, momentum=0.9),
        )
    )
    assert methods['e2e']['peak_memory'] == peak
    assert all('seconds' not in method for method in methods.values())
    assert picture.exists()


def test_classifier(write, capsys, tmp_path):
    path, picture = write(CLASSIFIER), tmp_path / 'new' / 'front.png'
    words = ('--batch', '4', '--rounds', '2', '--chart', str(picture))
    output = compare(path, *words)
    assert output['input_shape'] == [4, 3, 32, 32]
    methods = output['methods']
    assert list(methods) == ['e2e', 'with_cp', 'infopro', 'infopro+with_cp']
    peak = methods['infopro']['peak_memory']
    assert peak == live_bytes(path, 'infopro', 4, (32, 32))
    step = {n: m['step_macs'] for n, m in methods.items()}
    (row,) = re.findall(r'^\| infopro .*', capsys.readouterr().out, re.M)
    assert f'| {step["infopro"] / step["e2e"] - 1:+.1%} |' in row
    # a round is a pair
    for method in methods.values():
        low, median, high = method['time_ratio']
        assert low <= median <= high
        ratios = [
            a / b for a, b in zip(method['seconds'], methods['e2e']['seconds'])
        ]
        assert median == pytest.approx(sum(ratios) / 2)
    with Image.open(picture) as image:
        assert image.format == 'PNG'
    fake = compare(path, '--batch', '4', '--fake', '--methods', 'with_cp')
    for name in ('e2e', 'with_cp'):
        for key in ('forward_macs', 'step_macs', 'parameters'):
            assert fake['methods'][name][key] == methods[name][key]
        assert fake['methods'][name]['peak_memory'] == pytest.approx(
            methods[name]['peak_memory'], rel=0.005
        )


def test_mixed_precision(write):
    path = write(CLASSIFIER)
    words = ('--batch', '4', '--rounds', '0', '--methods', 'infopro')
    full, mixed = compare(path, *words), compare(path, *words, '--amp')
    assert (full['precision'], mixed['precision']) == ('float32', 'AMP')
    for name in ('e2e', 'infopro'):
        peaks = [x['methods'][name]['peak_memory'] for x in (full, mixed)]
        assert peaks[1] < peaks[0]


def test_host_without_checkpoints(write, capsys):
    words = ('--batch', '2', '--rounds', '0', '--threads', '2')
    output = compare(write(TRANSFORMER), *words)
    assert output['num_threads'] == 2
    assert list(output['methods']) == ['e2e']
    assert list(output['not_measured']) == ['with_cp']
    table = capsys.readouterr().out
    assert '| with_cp | - | - | - | - | - | no layer of the host has' in table


def test_detector(write):
    path = write(DETECTOR)
    output = compare(path, '--size', '64x96', '--rounds', '2')
    methods = output['methods']
    assert output['input_shape'] == [2, 3, 64, 96]
    assert list(methods) == ['e2e', 'with_cp', 'infopro', 'infopro+with_cp']
    for name in ('e2e', 'infopro'):
        peak = live_bytes(path, name, 2, (64, 96))
        assert methods[name]['peak_memory'] == peak
    # at this size neck and head need more than the backbone
    with_cp = methods['infopro+with_cp']['peak_memory']
    assert with_cp < methods['infopro']['peak_memory']
    assert methods['with_cp']['step_macs'] > methods['e2e']['step_macs']


def test_detector_on_fake_tensors(write):
    path = write(DETECTOR)
    words = ('--size', '128x192', '--methods', 'infopro')
    fake = compare(path, '--fake', *words)['methods']
    real = compare(path, '--rounds', '0', *words)['methods']
    for name in ('e2e', 'infopro'):
        peak = real[name]['peak_memory']
        assert abs(fake[name]['peak_memory'] - peak) < 0.001 * peak
        assert fake[name]['forward_macs'] == real[name]['forward_macs']


@pytest.mark.slow
def test_amp_on_fake_tensors(write):
    path = write(SEGMENTOR)
    words = ('--fake', '--size', '256x256', '--methods', 'infopro')
    full = compare(path, *words)['methods']
    mixed = compare(path, '--amp', *words)['methods']
    for name in ('e2e', 'infopro'):
        assert mixed[name]['peak_memory'] < full[name]['peak_memory']


def test_instance_segmentation(tmp_path):
    cfg = read_comparable('mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py')
    cfg.model.backbone.depth = 18
    narrow_detector(cfg)
    path = str(tmp_path / 'net.py')
    cfg.dump(path)
    output = compare(path, '--size', '64x96', '--batch', '1', '--rounds', '0')
    methods = output['methods']
    assert list(methods) == ['e2e', 'with_cp']
    peak = methods['e2e']['peak_memory']
    assert peak == live_bytes(path, 'e2e', 1, (64, 96))


def read_chart(folder, *words):
    """Draw bars; returns the methods of the figures."""
    words = [*words, '--fake', '--batch', '2', '--size', '256x512']
    words += ['--chart', f'{folder}/new/m.png', '--chart-kind', 'bars']
    run(*words, '--json', f'{folder}/m.json')
    with Image.open(f'{folder}/new/m.png') as image:
        assert image.format == 'PNG'
    return json.loads((folder / 'm.json').read_text())['methods']


BARS = (
    f'{ROOT}/configs/e2e/deeplabv3_r18_mini-cityscapes.py',
    f'{ROOT}/configs/infopro/deeplabv3_r18_k4_mini-cityscapes.py',
)


def test_bars_of_an_end_to_end_and_a_local_config(tmp_path, capsys):
    methods = read_chart(tmp_path, *BARS)
    assert list(methods) == ['e2e', 'with_cp', 'infopro', 'infopro+with_cp']
    peaks = [method['peak_memory'] for method in methods.values()]
    e2e, checkpointing, local, both = peaks
    assert max(checkpointing, local) < e2e
    assert both < local
    # parameters, gradients and momentum of ResNet-18 alone
    assert both > 11_000_000 * 4 * 3
    assert f'{e2e / 2**30:.3f} GiB' in capsys.readouterr().out


@pytest.mark.slow
def test_bars_without_the_end_to_end_config(tmp_path):
    """It is derived from the local one."""
    methods = read_chart(tmp_path, *BARS)
    assert len(methods) == 4
    again = read_chart(tmp_path, BARS[1])
    assert [method['peak_memory'] for method in again.values()] == [
        method['peak_memory'] for method in methods.values()
    ]


def test_several_networks():
    paths = [
        f'{ROOT}/configs/{name}_cifar10.py'
        for name in ('e2e/resnet32', 'infopro/resnet110_k4_softmax')
    ]
    with pytest.raises(ValueError, match=r"one network.*differ in \['depth'"):
        run(*paths, '--fake')


def test_charts_without_matplotlib(write, monkeypatch):
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    with pytest.raises(ImportError, match=r'localsup_mm\[charts\]'):
        run(write(CLASSIFIER), '--batch', '4', '--fake', '--chart', 'no.png')


def test_same_weights_for_all(write):
    methods = derive_methods(read_comparable(write(CLASSIFIER)))
    e2e = TrainingRun(methods['e2e']).model.state_dict()
    weights = {name: tensor + 1 for name, tensor in e2e.items()}
    local = TrainingRun(methods['infopro+with_cp'], weights=weights).model
    assert any('local_supervision' in name for name in local.state_dict())
    for name, tensor in weights.items():
        assert torch.equal(local.state_dict()[name], tensor)
    assert all(
        getattr(m, flag) for m, flag in find_checkpointing_layers(local)
    )


def test_checkpoints_of_the_config_are_left_out(write):
    cfg = read_comparable(write(CLASSIFIER))
    cfg.model.backbone.backbone.with_cp = True
    for name, method in derive_methods(cfg).items():
        model = build_model(method)
        assert uses_activation_checkpointing(model) == name.endswith('with_cp')


def test_a_step_changes_no_weight(write):
    run = TrainingRun(
        derive_methods(read_comparable(write(CLASSIFIER)))['infopro']
    )
    before = {n: p.clone() for n, p in run.model.named_parameters()}
    run.step(make_batch(read_comparable(write(CLASSIFIER)), 2, (32, 32)))
    for name, parameter in run.model.named_parameters():
        assert torch.equal(parameter, before[name])


def test_boundaries_are_chosen_and_amp_is_that_of_the_config(write):
    begin, _ = CLASSIFIER.split('partition=None')
    text = (
        f"{begin}_delete_=True, boundaries='auto', num_local_modules=2, "
        "decoder=dict(type='ReconstructionDecoder'))))\n"
    )
    path = write(f"{text}optim_wrapper = dict(type='LocalAmpOptimWrapper')")
    output = compare(path, '--batch', '4', '--fake', '--methods', 'infopro')
    assert output['precision'] == 'AMP'
    methods = output['methods']
    assert methods['infopro']['parameters'] > methods['e2e']['parameters']


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--size', '64'], "`--size` should be HxW, but got '64'"),
        (['--batch', '0'], '`--batch` should be at least 1, but got 0'),
        (['--threads', '0'], '`--threads` should be at least 1, but got 0'),
        (['--rounds', '1'], '`--rounds` should be at least 2, but got 1'),
        (['--fake', '--rounds', '5'], '`--rounds` .* --fake.* but got 5'),
        (['--methods', 'dgl'], "`--methods` .*'greedy'.* but got 'dgl'"),
    ],
)
def test_bad_words(write, words, message):
    with pytest.raises(ValueError, match=message):
        run(write(CLASSIFIER), *words)


def test_bad_configs(write):
    with pytest.raises(ValueError, match=r'model\.backbone'):
        run(write("default_scope = 'mmseg'"))
    other = f'{CLASSIFIER}default_scope = {"mmyolo"!r}\n'
    with pytest.raises(ValueError, match=r"'mmseg'.*, but got 'mmyolo'"):
        run(write(other))


def test_step_of_each_module(write):
    """It is one of local modules: end to end has the host's wrapper."""
    step = "optim_wrapper = dict(type='LocalOptimWrapper', {})\n"
    words = ('--batch', '4', '--rounds', '0', '--methods', 'infopro')
    peaks = []
    for setting in ('', 'step_each_module=True'):
        methods = compare(write(CLASSIFIER + step.format(setting)), *words)
        peaks.append([m['peak_memory'] for m in methods['methods'].values()])
    assert peaks[0][0] == peaks[1][0]
    assert peaks[1][1] <= peaks[0][1]
