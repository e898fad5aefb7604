"""boundaries='auto' in a config."""

import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from processes import ROOT

from localsup_mm.models.backbones import CIFARResNet
from localsup_mm.planning import resolve_auto
from localsup_mm.recomputation import join_recompute
from localsup_mm.supervision import expand_local_modules

AUTO = """
_base_ = ['{root}/configs/e2e/resnet32_cifar10.py']
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            boundaries='auto',
            decoder=dict(type='ReconstructionDecoder', channels=(12,)),
            aux_neck=dict(type='ConvPool', num_convs=0),
            aux_head=dict(type='mmpretrain.LinearClsHead', num_classes=10),
            {settings})))
optim_wrapper = dict(type='LocalOptimWrapper')
"""


def make_config(settings='', depth=14):
    text = AUTO.format(root=ROOT, settings=settings)
    cfg = Config.fromstring(text, '.py')
    cfg.model.backbone.backbone.depth = depth
    return cfg


def test_it_becomes_a_list_of_names():
    cfg = make_config('num_local_modules=3')
    plan = resolve_auto(cfg)
    local_modules = cfg.model.backbone.local_modules
    assert tuple(local_modules.boundaries) == plan.boundaries
    assert len(plan.boundaries) == 2
    assert 'num_local_modules' not in local_modules
    again = make_config('num_local_modules=3')
    assert resolve_auto(again) == plan
    assert again.pretty_text == cfg.pretty_text
    init_default_scope('mmpretrain')
    model = MODELS.build(cfg.model)
    found = model.backbone.local_supervision.local_modules
    assert tuple(m.boundary.name for m in found) == plan.boundaries
    # nothing is left to do
    assert resolve_auto(cfg) is None


def test_a_list_of_local_modules():
    cfg = make_config('num_local_modules=3')
    rule = cfg.model.backbone.pop('local_modules')
    parts = {key: rule[key] for key in ('decoder', 'aux_neck', 'aux_head')}
    cfg.model.backbone.local_modules = [
        dict(boundary='auto', **parts) for _ in range(2)
    ]
    plan = resolve_auto(cfg)
    assert plan == resolve_auto(make_config('num_local_modules=3'))
    found = [m.boundary for m in cfg.model.backbone.local_modules]
    assert tuple(found) == plan.boundaries
    init_default_scope('mmpretrain')
    MODELS.build(cfg.model)
    cfg.model.backbone.local_modules[1].boundary = 'auto'
    with pytest.raises(
        ValueError, match=rf"`boundary` .* in all.*\['{found[0]}', 'auto'\]"
    ):
        resolve_auto(cfg)


def test_budget_and_input_shape():
    settings = "memory_budget='1GiB', input_shape=(512, 3, 40, 40)"
    cfg = make_config(settings, depth=20)
    plan = resolve_auto(cfg)
    assert plan.peak_memory <= 2**30 < plan.end_to_end
    assert 'input_shape' not in cfg.model.backbone.local_modules
    settings = settings.replace('40, 40', '8, 8')
    smaller = make_config(settings, depth=20)
    assert resolve_auto(smaller).boundaries == ()


@MODELS.register_module()
class OneSizeResNet(CIFARResNet):
    """Takes images of 32 x 32 only, as it has no img_size to say."""

    def forward(self, x):
        """Refuse others."""
        if x.shape[-1] != 32:
            raise RuntimeError(f'images should be of 32, not {x.shape}')
        return super().forward(x)


def test_it_is_traced_at_the_input_size():
    cfg = make_config('num_local_modules=2')
    cfg.model.backbone.backbone.type = 'OneSizeResNet'
    init_default_scope('mmpretrain')
    for input_size in (None, (32, 32)):
        resolved = cfg.copy()
        if input_size is not None:
            resolved.model.backbone.input_size = input_size
        resolve_auto(resolved)
        # that of the images, where no other one is taken
        assert tuple(resolved.model.backbone.input_size) == (32, 32)
        MODELS.build(resolved.model)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ("memory_bugdet='1GiB'", r"known keys.*\['memory_bugdet'\]"),
        ("partition='resnet32'", r"\['partition'\].*_delete_=True"),
        ("loss_weights='resnet32_cifar10'", r"`loss_weights`.*'resnet32_cif"),
        ('input_shape=(4, 3, 32)', r'\(B, C, H, W\), but got \(4, 3, 32\)'),
        ('input_shape=(0, 3, 32, 32)', r'`batch_size` should.*got 0'),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        resolve_auto(make_config(settings))


def test_no_context_without_local_modules():
    cfg = make_config("memory_budget='1TiB'")
    cfg.model.backbone.context_supply = dict(mode='r1e')
    assert resolve_auto(cfg).boundaries == ()
    init_default_scope('mmpretrain')
    MODELS.build(cfg.model)


@pytest.mark.parametrize(
    'config',
    ['e2e/resnet32_cifar10.py', 'infopro/resnet32_k4_softmax_cifar10.py'],
)
def test_other_configs_stay_as_they_are(config):
    cfg = Config.fromfile(ROOT / 'configs' / config)
    before = cfg.pretty_text
    assert resolve_auto(cfg) is None
    assert cfg.pretty_text == before


def test_a_model_is_not_built_with_auto():
    cfg = make_config("memory_budget='1GiB'")
    init_default_scope('mmpretrain')
    with pytest.raises(ValueError, match=r"'auto'.*resolve_auto\(cfg\)"):
        MODELS.build(cfg.model)


def test_no_published_setting_offers_auto():
    with pytest.raises(ValueError, match=r"resnet32.*boundaries='auto'"):
        expand_local_modules(5, 'resnet32', decoder={})


def test_what_is_computed_again_is_chosen_too():
    cfg = make_config("num_local_modules=2, recompute='any'")
    cfg.recompute = ['head']
    plan = resolve_auto(cfg)
    assert plan.recompute
    assert cfg.recompute == join_recompute(['head'], plan.recompute)
    assert cfg.default_hooks.recompute.type == 'RecomputeHook'
    assert 'recompute' not in cfg.model.backbone.local_modules
    cuts = resolve_auto(make_config('num_local_modules=2'))
    assert plan.peak_memory < cuts.peak_memory
