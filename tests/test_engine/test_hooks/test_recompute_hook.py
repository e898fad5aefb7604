"""``recompute`` in a config, by a real Runner."""

import pytest
from asserts import assert_equal
from messages import collect_warnings
from mmengine.config import Config
from mmengine.runner import FlexibleRunner, Runner
from toy_runner import make_runner

from localsup_mm.engine import use_safe_hooks
from localsup_mm.recomputation import find_recomputed


def make(work_dir, recompute=None, runner=Runner):
    cfg = Config(dict(recompute=recompute))
    use_safe_hooks(cfg)
    hook = cfg.default_hooks.get('recompute')
    return make_runner(
        work_dir, runner=runner, cfg=cfg, custom_hooks=[hook] if hook else []
    )


@pytest.mark.parametrize('runner', [Runner, FlexibleRunner])
def test_config(tmp_path, runner):
    recompute = dict(full=['backbone.conv2'], cheap=['neck'])
    found = make(tmp_path / 'found', recompute, runner)
    found.train()
    methods = find_recomputed(found.model)
    assert [m.name for m in methods] == ['backbone.conv2', 'neck']
    assert all(m.has_run for m in methods)
    expected = make(tmp_path / 'expected', runner=runner)
    expected.train()
    assert_equal(found.model.state_dict(), expected.model.state_dict())


def test_what_is_never_called_is_said(tmp_path):
    runner = make(tmp_path, ['neck', 'backbone.local_supervision'])
    messages = collect_warnings()
    runner.train()
    (message,) = [m for m in messages if 'recompute' in m]
    assert "but got 'backbone.local_supervision' and 0 more" in message
