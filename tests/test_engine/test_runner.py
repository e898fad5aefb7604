"""What is checked and set before a Runner is built."""

import logging
import math
import os

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import FlexibleRunner, Runner
from toy_runner import make_runner

from localsup_mm.engine import build_runner, check_resumed, use_safe_hooks


@pytest.mark.parametrize(
    ('hooks', 'expected', 'is_replaced'),
    [
        (None, 'SafeCheckpointHook', True),
        (dict(type='CheckpointHook', interval=3), 'SafeCheckpointHook', True),
        (dict(type='SafeCheckpointHook'), 'SafeCheckpointHook', False),
        (dict(type='Theirs'), 'Theirs', False),
    ],
)
def test_safe_hooks(hooks, expected, is_replaced):
    cfg = Config(dict(default_hooks=dict(checkpoint=hooks) if hooks else {}))
    assert use_safe_hooks(cfg) == is_replaced
    kept = dict(hooks or {}, type=expected)
    assert cfg.default_hooks.checkpoint == kept
    assert cfg.default_hooks.setup_check == dict(type='SetupCheckHook')


def test_safe_hooks_of_a_config_without_any():
    cfg = Config()
    assert use_safe_hooks(cfg)
    assert cfg.default_hooks.checkpoint.type == 'SafeCheckpointHook'


def test_a_hook_that_is_turned_off_stays_off():
    cfg = Config(dict(default_hooks=dict(checkpoint=None)))
    assert not use_safe_hooks(cfg)
    assert cfg.default_hooks.checkpoint is None


def test_the_latest_checkpoint_is_checked(tmp_path):
    cfg = Config(dict(work_dir=str(tmp_path), resume=True))
    check_resumed(cfg)  # there is none: training starts from the beginning
    path = tmp_path / 'iter_2.pth'
    torch.save(dict(meta={}, state_dict={}), path)
    (tmp_path / 'last_checkpoint').write_text(str(path))
    with pytest.raises(ValueError, match=r"iter_2\.pth' without \['mess.*opt"):
        check_resumed(cfg)
    cfg.resume = False
    check_resumed(cfg)
    cfg.load_from = str(path)
    check_resumed(cfg)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ('damage', 'expected'),
    [
        (truncate, 'iter_1.pth'),
        (lambda path: path.write_bytes(b''), 'iter_1.pth'),
        (lambda path: path.unlink(), 'iter_1.pth'),
        # killed while the name of the last one was written
        (
            lambda path: path.with_name('last_checkpoint').write_text(''),
            'iter_2.pth',
        ),
    ],
    ids=['truncated', 'empty', 'missing', 'no name'],
)
def test_a_damaged_checkpoint_is_passed_over(tmp_path, damage, expected):
    training = dict(meta={}, message_hub={}, optimizer={}, state_dict={})
    weights = dict(state_dict={})
    for number, content in enumerate([training, training, training, weights]):
        path = tmp_path / f'iter_{number}.pth'
        torch.save(content, path)
        os.utime(path, (number, number))
    last = tmp_path / 'iter_2.pth'
    (tmp_path / 'last_checkpoint').write_text(str(last))
    cfg = Config(dict(work_dir=str(tmp_path), resume=True))
    check_resumed(cfg)
    assert cfg.get('load_from') is None  # the host finds it
    damage(last)
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    check_resumed(cfg)
    logger.removeHandler(handler)
    assert cfg.load_from == str(tmp_path / expected)
    passed_over = 'iter_2.pth' if expected == 'iter_1.pth' else 'iter_3.pth'
    assert any(f"{passed_over}'" in record for record in records)


def test_what_is_loaded_from_elsewhere_is_not_read():
    check_resumed(Config(dict(load_from='https://example.org/a.pth')))


def test_flexible_runner(tmp_path):
    """mmengine's other Runner trains local modules, too."""
    runner = make_runner(tmp_path, runner=FlexibleRunner)
    runner.train()
    for k in (0, 1):
        loss = runner.message_hub.get_scalar(f'train/local_{k}.loss')
        assert math.isfinite(loss.current())
    assert (tmp_path / 'iter_4.pth').is_file()


@pytest.mark.parametrize('kind', ['LocalDistributedDataParallel', None])
@pytest.mark.parametrize('unused', [True, False, None])
def test_find_unused_parameters_reaches_our_wrapper(monkeypatch, kind, unused):
    """The Runner reads it only where it chooses the wrapper itself."""
    cfg = Config(dict(model_wrapper_cfg=dict(type=kind or 'Another')))
    if unused is not None:
        cfg.find_unused_parameters = unused
    monkeypatch.setattr(Runner, 'from_cfg', lambda cfg: cfg)
    wrapper = build_runner(cfg).model_wrapper_cfg
    assert wrapper.get('find_unused_parameters', False) == bool(
        kind and unused
    )
