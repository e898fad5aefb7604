"""Configs of the hosts, converted and trained at tiny size."""

import re
import shlex
from pathlib import Path

import pytest
import torch
from commands import run_localsup
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner import Runner
from processes import ROOT, read_scalars
from torch.utils.data import Dataset

from localsup_mm.hosts import find_host
from localsup_mm.planning import resolve_auto

# (config of a host, method, H and W): nobody tuned anything for them
HOST_CONFIGS = [
    ('mmseg::fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024', 'contsup', 64),
    pytest.param(
        'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512',
        'infopro',
        64,
        marks=pytest.mark.slow,
    ),
    pytest.param(
        'mmseg::hrnet/fcn_hr18s_4xb2-40k_cityscapes-512x1024',
        'greedy',
        64,
        marks=pytest.mark.slow,
    ),
    pytest.param(
        'mmseg::convnext/convnext-tiny_upernet_8xb2-amp-160k_ade20k-512x512',
        'infopro',
        64,
        marks=pytest.mark.slow,
    ),
    ('mmdet::retinanet/retinanet_r18_fpn_1x_coco', 'contsup', 128),
    pytest.param(
        'mmdet::pvt/retinanet_pvtv2-b0_fpn_1x_coco',
        'infopro',
        128,
        marks=pytest.mark.slow,
    ),
    pytest.param(
        'mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco',
        'greedy',
        128,
        marks=pytest.mark.slow,
    ),
    pytest.param(
        'mmpretrain::mobilenet_v2/mobilenet-v2_8xb32_in1k',
        'infopro',
        64,
        marks=pytest.mark.slow,
    ),
    pytest.param(
        'mmpretrain::densenet/densenet121_4xb256_in1k',
        'greedy',
        64,
        marks=pytest.mark.slow,
    ),
    ('mmpretrain::deit/deit-tiny_4xb256_in1k', 'infopro', 224),
    ('mmpretrain::regnet/regnetx-400mf_8xb128_in1k', 'dgl', 64),
    pytest.param(
        'mmseg::fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024',
        'auglocal',
        64,
        marks=pytest.mark.slow,
    ),
    ('mmpretrain::resnet/resnet18_8xb32_in1k', 'man', 64),
    pytest.param(
        'mmpretrain::mobilenet_v2/mobilenet-v2_8xb32_in1k',
        'man',
        64,
        marks=pytest.mark.slow,
    ),
    ('mmpretrain::deit/deit-tiny_4xb256_in1k', 'auglocal', 224),
    # of 500 MB
    pytest.param(
        'mmpretrain::vgg/vgg11bn_8xb32_in1k',
        'contsup',
        224,
        marks=pytest.mark.slow,
    ),
]


AUTO_LENET = """
_base_ = ['{base}']
custom_imports = dict(imports=['localsup_mm'])
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            boundaries='auto',
            num_local_modules=2,
            decoder=dict(type='ReconstructionDecoder'))))
optim_wrapper = dict(type='LocalOptimWrapper')
"""


@DATASETS.register_module()
class NoiseDataset(Dataset):
    """Four images of noise, as a pipeline of a host packs them."""

    metainfo = {}

    def __init__(self, config, size):
        self.size = size
        cfg = Config.fromfile(config)
        shape = (4, 3, size, size)
        self.data_samples = find_host(cfg).make_data_samples(cfg, shape)

    def __len__(self):
        return len(self.data_samples)

    def __getitem__(self, i):
        inputs = torch.randint(256, (3, self.size, self.size))
        return dict(inputs=inputs, data_samples=self.data_samples[i])


def train_two_iterations(cfg, size, work_dir):
    cfg.work_dir = str(work_dir)
    cfg.randomness = dict(seed=0)
    dataset = dict(type='NoiseDataset', config=cfg.filename, size=size)
    cfg.train_dataloader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dataset,
    )
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=2)
    cfg.param_scheduler = None
    cfg.log_processor = dict(by_epoch=False)
    cfg.default_hooks.logger.interval = 1
    for split in ('val', 'test'):
        for name in ('cfg', 'dataloader', 'evaluator'):
            cfg[f'{split}_{name}'] = None
    cfg.visualizer.name = str(work_dir)
    for part in (cfg.model, cfg.model.backbone.backbone):
        part.init_cfg = None  # weights to be downloaded
        part.pop('pretrained', None)
    preprocessor = cfg.model.get('data_preprocessor')
    if preprocessor and 'size' in preprocessor:
        preprocessor.size = (size, size)
    runner = Runner.from_cfg(cfg)
    before = {n: p.clone() for n, p in runner.model.named_parameters()}
    runner.train()
    return {
        name: not torch.equal(parameter, before[name])
        for name, parameter in runner.model.named_parameters()
    }


@pytest.mark.parametrize(
    ('name', 'method', 'size'), HOST_CONFIGS, ids=lambda v: str(v)
)
def test_config_of_a_host(name, method, size, tmp_path):
    out = tmp_path / 'local.py'
    words = ['--method', method, '--num-local-modules', '3']
    words += ['--batch', '2', '--size', f'{size}x{size}', '-o', str(out)]
    with_cp = 'densenet' in name  # by another name
    run_localsup('localize', f'{name}.py', *words, *['--with-cp'] * with_cp)
    cfg = Config.fromfile(out)
    assert ('memory_efficient' in cfg.model.backbone.backbone) == with_cp
    hooks = cfg.default_hooks
    assert hooks.checkpoint.type == 'SafeCheckpointHook'
    assert hooks.setup_check.type == 'SetupCheckHook'
    context = cfg.model.backbone.get('context_supply')
    assert (context is not None) == (method == 'contsup')
    if context:
        pool_first = cfg.default_scope != 'mmpretrain'
        assert context == dict(mode='r1e', pool_first=pool_first)
    assert len(cfg.model.backbone.local_modules.boundaries) == 2
    changed = train_two_iterations(cfg, size, tmp_path / 'work')
    losses = [
        key
        for key in ('local_0.loss', 'local_1.loss', 'loss')
        if len(read_scalars(tmp_path / 'work', key)) == 2
    ]
    assert len(losses) == 3
    aux_nets = [n for n in changed if 'local_supervision' in n]
    assert any('aux_head' in n for n in aux_nets)
    assert any('decoder' in n for n in aux_nets) == (method == 'infopro')
    # a moving average changes by less than what rounding leaves
    learning = [n for n in aux_nets if '.average.' not in n]
    assert [n for n in learning if not changed[n]] == []


def test_written_config_is_trained_by_its_command(make_config, tmp_path):
    base = make_config('e2e/deeplabv3_r18_mini-cityscapes.py')
    out, work_dir = tmp_path / 'configs' / 'my.py', tmp_path / 'work'
    output = run_localsup(
        'localize', base, '--lowest', '--size', '64x64', '-o', out
    )
    assert 'planning for (2, 3, 64, 64)' in output
    assert re.search(r'peak memory .* % of end-to-end', output)
    assert f'wrote {out}' in output
    run_localsup(
        'train', out, '--work-dir', work_dir, '--cfg-options',
        'train_cfg.max_iters=2', 'val_cfg=None', 'val_dataloader=None',
        'val_evaluator=None',
    )  # fmt: skip
    assert len(read_scalars(work_dir, 'local_0.loss_recon')) == 2


def test_what_is_computed_again_is_written(make_config, tmp_path):
    base = make_config('e2e/deeplabv3_r18_mini-cityscapes.py')
    out, work_dir = tmp_path / 'my.py', tmp_path / 'work'
    words = ['-k', '1', '--recompute', 'any', '--size', '256x256', '-o', out]
    assert 'computed again' in run_localsup('localize', base, *words)
    cfg = Config.fromfile(out)
    assert cfg.recompute
    assert cfg.default_hooks.recompute.type == 'RecomputeHook'
    run_localsup(
        'train', out, '--work-dir', work_dir, '--cfg-options',
        'train_cfg.max_iters=2', 'val_cfg=None', 'val_dataloader=None',
        'val_evaluator=None',
    )  # fmt: skip
    assert len(read_scalars(work_dir, 'loss')) == 2


@pytest.mark.parametrize('is_auto', [False, True])
def test_size_that_the_backbone_needs(is_auto, tmp_path):
    """LeNet takes images of one size only, which no attribute of it says."""
    base, out = 'mmpretrain::lenet/lenet5_mnist.py', tmp_path / 'net.py'
    if is_auto:
        out.write_text(AUTO_LENET.format(base=base))
        cfg = Config.fromfile(out)
        resolve_auto(cfg)
    else:
        run_localsup('localize', base, '-k', '2', '-o', out)
        cfg = Config.fromfile(out)
    assert tuple(cfg.model.backbone.input_size) == (32, 32)
    init_default_scope('mmpretrain')
    backbone = MODELS.build(cfg.model).backbone
    assert backbone.local_supervision.local_modules


def test_settings_are_written(tmp_path):
    out = str(tmp_path / 'my.py')
    base = f'{ROOT}/configs/e2e/deeplabv3_r18_camvid.py'
    words = [base, '--num-local-modules', '2', '--size', '64x64', '-o', out]
    run_localsup(
        'localize',
        *words,
        '--batch',
        '3',
        '--with-cp',
        '--amp',
        '--step-each-module',
    )
    cfg = Config.fromfile(out)
    assert cfg.train_dataloader.batch_size == 3
    assert cfg.model.backbone.backbone.with_cp
    assert cfg.model.backbone.backbone.depth == 18
    assert cfg.optim_wrapper.type == 'LocalAmpOptimWrapper'
    assert cfg.optim_wrapper.step_each_module
    assert cfg.optim_wrapper.loss_scale == dict(enabled=False)
    assert cfg.optim_wrapper.optimizer.type == 'SGD'
    assert cfg.custom_imports.imports == ['localsup_mm']
    wrapper = dict(type='LocalDistributedDataParallel')
    assert cfg.model_wrapper_cfg == wrapper
    weights = cfg.model.backbone.local_modules.loss_weights
    assert weights == [[1.5, 1.0], [0.5, 1.0]]
    header = Path(out).read_text().split('_base_')[0]
    written, trained, planned, *_ = header.splitlines()
    assert written.startswith(f'# Written by: localsup localize {base} ')
    assert shlex.split(written)[-1] == '--step-each-module'
    assert trained == f'# Train with: localsup train {out}'
    assert planned == '# infopro, planned for 3 x 3 x 64 x 64'
    assert '\n# 2 loc' in header
    assert header.endswith(
        'size of images is not set here, but by the base.\n'
    )
    words[-1] = out = str(tmp_path / 'other.py')
    run_localsup('localize', *words)
    cfg = Config.fromfile(out)
    assert 'with_cp' not in cfg.model.backbone.backbone
    assert 'step_each_module' not in cfg.optim_wrapper
    assert cfg.optim_wrapper.type == 'LocalOptimWrapper'


def write_resnet8(path, text=''):
    path.write_text(
        f"_base_ = '{ROOT}/configs/e2e/resnet32_cifar10.py'\n"
        f'model = dict(backbone=dict(depth=8))\n{text}'
    )
    return str(path)


def test_imports_are_kept(tmp_path):
    out = str(tmp_path / 'my.py')
    base = write_resnet8(tmp_path / 'base.py')
    words = ['--num-local-modules', '2', '--batch', '8', '-o', out]
    run_localsup('localize', base, *words)
    imports = Config.fromfile(out).custom_imports.imports
    theirs = Config.fromfile(base).custom_imports.imports
    assert list(imports) == list(theirs)
    assert 'localsup_mm.models.backbones' in imports


FCN = 'mmseg::fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024.py'
VIT = 'mmpretrain::deit/deit-tiny_4xb256_in1k.py'
LOCAL = f'{ROOT}/configs/infopro/deeplabv3_r18_k4_camvid.py'


@pytest.mark.parametrize(
    ('config', 'words', 'message'),
    [
        (FCN, ['--budget', '50MiB'], r'at least .*but got 50\.0 MiB.*sets'),
        (FCN, ['--lowest', '--method', 'dgl'], r"for mmseg, but got 'dgl'"),
        (LOCAL, ['--lowest'], r'locally supervised already'),
        (
            'mmdet::detr/detr_r50_8xb2-150e_coco.py',
            ['--lowest', '--step-each-module'],
            r'`clip_grad`.*max_norm',
        ),
        (VIT, ['--lowest', '--with-cp'], r'`with_cp`.*VisionTransformer'),
        ('mmocr::dbnet.py', ['--lowest'], r"one of .*'mmseg'.*'mmocr::"),
    ],
)
def test_bad_words(config, words, message, tmp_path):
    out = tmp_path / 'my.py'
    words = [config, '--batch', '2', '-o', str(out), *words]
    if config == FCN:
        words += ['--size', '64x64']
    with pytest.raises(ValueError, match=message):
        run_localsup('localize', *words)
    assert not out.exists()


def test_step_of_each_module_does_not_accumulate(tmp_path):
    path = tmp_path / 'net.py'
    path.write_text(
        f"_base_ = ['{FCN}']\noptim_wrapper = dict(accumulative_counts=2)"
    )
    words = ['--lowest', '--step-each-module', '-o', str(tmp_path / 'o.py')]
    with pytest.raises(ValueError, match=r'accumulative_counts`.*but got 2'):
        run_localsup('localize', str(path), *words)


def test_optimizer_wrapper_without_a_local_form(tmp_path):
    path = tmp_path / 'net.py'
    path.write_text(f"_base_ = ['{FCN}']\noptim_wrapper = dict(type='Other')")
    with pytest.raises(ValueError, match=r"`optim_wrapper`.*'Other'"):
        run_localsup(
            'localize', str(path), '--lowest', '-o', str(tmp_path / 'o.py')
        )


def test_nothing_is_lost(tmp_path):
    path = tmp_path / 'net.py'
    path.write_text(f"_base_ = ['{FCN}']")
    for out in (path, tmp_path / 'net.json', tmp_path):
        with pytest.raises(ValueError, match=r'`path` should be a new \.py'):
            run_localsup('localize', str(path), '--lowest', '-o', str(out))
    assert 'fcn' in path.read_text()


def test_budget_above_end_to_end(tmp_path):
    """No cut, and so no context: the host itself."""
    out = str(tmp_path / 'my.py')
    base = write_resnet8(tmp_path / 'base.py')
    words = ['--method', 'contsup', '--budget', '8GiB', '--batch', '2']
    run_localsup('localize', base, *words, '-o', out)
    cfg = Config.fromfile(out)
    init_default_scope('mmpretrain')
    assert not MODELS.build(cfg.model).backbone.local_supervision.local_modules


@pytest.mark.parametrize(
    'config',
    [
        'vgg/vgg16_8xb16_voc',
        pytest.param(
            'csra/resnet101-csra_1xb16_voc07-448px', marks=pytest.mark.slow
        ),
    ],
)
def test_several_labels(config, tmp_path):
    out = str(tmp_path / 'my.py')
    words = ['--num-local-modules', '2', '--batch', '2', '-o', out]
    words += ['--size', '64x64'] if 'csra' in config else []
    run_localsup('localize', f'mmpretrain::{config}.py', *words)
    aux_head = Config.fromfile(out).model.backbone.local_modules.aux_head
    assert aux_head.type == 'mmpretrain.MultiLabelLinearClsHead'


def test_inherited_settings_are_replaced(tmp_path):
    out = tmp_path / 'my.py'
    base = write_resnet8(
        tmp_path / 'base.py',
        "model_wrapper_cfg = dict(type='Other', auto_wrap_policy='a')\n"
        'find_unused_parameters = True\n'
        "optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')\n"
        "custom_imports = dict(imports='localsup_mm.models.backbones')\n",
    )
    words = ['--num-local-modules', '2', '--batch', '2', '-o', str(out)]
    run_localsup('localize', base, *words, '--step-each-module')
    cfg = Config.fromfile(out)
    assert cfg.model_wrapper_cfg == dict(
        type='LocalDistributedDataParallel', find_unused_parameters=True
    )
    assert cfg.optim_wrapper.type == 'LocalAmpOptimWrapper'
    assert cfg.optim_wrapper.dtype == 'bfloat16'
    assert cfg.optim_wrapper.loss_scale == dict(enabled=False)
    imports = ['localsup_mm.models.backbones', 'localsup_mm']
    assert cfg.custom_imports.imports == imports
