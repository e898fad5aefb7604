"""``recompute`` in a config, by a real Runner."""

import pytest
from asserts import assert_equal
from messages import collect_warnings
from mmengine.config import Config
from mmengine.runner import FlexibleRunner, Runner
from toy_runner import make_runner

from localsup_mm.engine import use_safe_hooks
from localsup_mm.recomputation import find_recomputed


def train(work_dir, recompute=None, runner=Runner):
    cfg = Config(dict(recompute=recompute))
    use_safe_hooks(cfg)
    hook = cfg.default_hooks.get('recompute')
    runner = make_runner(
        work_dir, runner=runner, cfg=cfg, custom_hooks=[hook] if hook else []
    )
    runner.train()
    return runner


@pytest.mark.parametrize('runner', [Runner, FlexibleRunner])
def test_config(tmp_path, runner):
    recompute = dict(full=['backbone.conv2'], cheap=['neck'])
    found = train(tmp_path / 'found', recompute, runner)
    methods = find_recomputed(found.model)
    assert [m.name for m in methods] == ['backbone.conv2', 'neck']
    assert all(m.has_run for m in methods)
    expected = train(tmp_path / 'expected', runner=runner)
    assert_equal(found.model.state_dict(), expected.model.state_dict())


def test_what_is_never_called_is_said(tmp_path):
    messages = collect_warnings()
    train(tmp_path, ['neck', 'backbone.local_supervision'])
    (message,) = [m for m in messages if 'recompute' in m]
    assert "but got 'backbone.local_supervision' and 0 more" in message
