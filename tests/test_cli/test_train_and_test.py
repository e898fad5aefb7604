"""The two commands on a real, tiny data set."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from commands import run_localsup
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from processes import (
    ROOT,
    environment,
    read_scalars,
    run_tool,
    start_localsup,
)

INFOPRO = 'infopro/deeplabv3_r18_k4_cityscapes.py'
KEYS = ('loss', 'local_0.loss_recon', 'local_2.loss_ce')


def find_refusal(*words):
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        run_localsup(*words)
    return str(caught.value)


@pytest.fixture(scope='module')
def trained(make_config, tmp_path_factory):
    config = make_config(INFOPRO)
    work_dir = tmp_path_factory.mktemp('work') / 'whole'
    # by the name that users of OpenMMLab type
    output = run_tool('train.py', config, '--work-dir', work_dir)
    return config, work_dir, output


def test_train_logs_and_leaves_pictures(trained):
    _, work_dir, output = trained
    for key in KEYS:
        assert len(read_scalars(work_dir, key)) == 8
    assert 'peak_memory' in output
    assert read_scalars(work_dir, 'peak_memory')
    picture = list(work_dir.glob('*/vis_data/vis_image/reconstruction_8.png'))
    assert len(picture) == 1
    names = sorted(p.name for p in work_dir.glob('*.pth'))
    assert names == ['iter_6.pth', 'iter_8.pth']
    assert not list(work_dir.glob('*.partial'))


def test_checkpoint_is_plain_data(trained):
    _, work_dir, _ = trained
    checkpoint = torch.load(work_dir / 'iter_8.pth', weights_only=True)
    assert checkpoint['meta']['iter'] == 8
    scalars = checkpoint['message_hub']['log_scalars']
    assert len(scalars['train/loss']['log_history']) == 8


@pytest.mark.parametrize(
    'workers', [0, pytest.param(2, marks=pytest.mark.slow)]
)
def test_killed_and_resumed_equals_uninterrupted(
    make_config, trained, tmp_path, workers
):
    config, whole, _ = trained
    if workers:
        config, whole = make_config(INFOPRO, workers), tmp_path / 'whole'
        run_tool('train.py', config, '--work-dir', whole)
    cut = tmp_path / 'cut'
    # it validates where the uninterrupted run does not: that changes nothing
    process = start_localsup(
        'train',
        config,
        '--work-dir',
        cut,
        '--cfg-options',
        'train_cfg.val_interval=2',
    )
    deadline = time.monotonic() + 300
    while not (cut / 'iter_4.pth').exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0][-3000:]
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (cut / 'iter_8.pth').exists()
    output = run_tool('train.py', config, '--work-dir', cut, '--resume')
    assert 'resumed epoch: 0, iter: ' in output
    for key in KEYS:
        assert read_scalars(cut, key) == read_scalars(whole, key)
    expected = torch.load(whole / 'iter_8.pth')['state_dict']
    found = torch.load(cut / 'iter_8.pth')['state_dict']
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def test_stock_config_and_runner_give_the_same_miou(
    trained, make_config, tmp_path
):
    config, work_dir, _ = trained
    checkpoint = str(work_dir / 'iter_8.pth')
    run_localsup(
        'test',
        config,
        checkpoint,
        '--work-dir',
        tmp_path / 'ours',
        '--save-predictions',
        tmp_path / 'out',
        '--show-dir',
        tmp_path / 'show',
    )
    ours = _metrics(tmp_path / 'ours')
    assert len(list((tmp_path / 'out').glob('*.png'))) == 4
    painted = tmp_path / 'show' / 'vis_data' / 'vis_image'
    assert len(list(painted.glob('*.png'))) == 4
    assert not list((tmp_path / 'ours').glob('**/*.png'))

    tiny = Config.fromfile(make_config('e2e/deeplabv3_r18_cityscapes.py'))
    stock = Config.fromfile(_stock_config())
    stock.model.pretrained = None
    for key in (
        'backbone',
        'decode_head',
        'auxiliary_head',
        'data_preprocessor',
    ):
        stock.model[key] = tiny.model[key]
    stock.test_dataloader = tiny.test_dataloader
    stock.load_from = checkpoint
    stock.work_dir = str(tmp_path / 'stock')
    assert 'localsup' not in stock.pretty_text
    assert Runner.from_cfg(stock).test() == ours


def _stock_config():
    import mmseg

    return Path(mmseg.__file__).parent / (
        '.mim/configs/deeplabv3/'
        'deeplabv3_r18-d8_4xb2-80k_cityscapes-512x1024.py'
    )


def _metrics(work_dir):
    (path,) = Path(work_dir).glob('*/*.json')
    metrics = json.loads(path.read_text())
    return {k: metrics[k] for k in ('aAcc', 'mIoU', 'mAcc')}


def test_end_to_end_checkpoint_loads_without_a_missing_key(
    make_config, trained, tmp_path
):
    e2e = make_config('e2e/deeplabv3_r18_cityscapes.py')
    run_localsup(
        'train',
        e2e,
        '--work-dir',
        tmp_path / 'e2e',
        '--cfg-options',
        'train_cfg.max_iters=2',
    )
    config, _, _ = trained
    output = run_localsup(
        'train',
        config,
        '--work-dir',
        tmp_path / 'local',
        '--cfg-options',
        'train_cfg.max_iters=2',
        f'load_from={tmp_path}/e2e/iter_2.pth',
    )
    assert 'missing keys' not in output
    assert 'unexpected key' not in output
    # and the plain model evaluates what local training made of it
    run_localsup(
        'test',
        e2e,
        tmp_path / 'local' / 'iter_2.pth',
        '--work-dir',
        tmp_path / 'plain',
        '--tta',
    )


def test_a_config_of_the_host_gets_safe_hooks(make_config, tmp_path):
    config = tmp_path / 'host.py'
    config.write_text(f"""
_base_ = ['{make_config('e2e/deeplabv3_r18_cityscapes.py')}']
default_hooks = dict(checkpoint=dict(type='CheckpointHook'))
train_cfg = dict(max_iters=2)
""")
    line = 'SafeCheckpointHook takes the place of CheckpointHook'
    words = ['--work-dir', tmp_path / 'work']
    assert line in run_localsup('train', config, *words)
    checkpoint = torch.load(tmp_path / 'work/iter_2.pth', weights_only=True)
    assert len(checkpoint['random_states']) == 1
    # written into the config that is saved, so not replaced again
    saved = tmp_path / 'work' / 'host.py'
    assert line not in run_localsup('train', saved, *words)


def test_amp_and_ema_and_accumulation(trained, tmp_path):
    config = tmp_path / 'amp.py'
    config.write_text(f"""
_base_ = ['{trained[0]}']
optim_wrapper = dict(
    accumulative_counts=2, clip_grad=dict(_delete_=True, max_norm=1.0))
custom_hooks = [dict(type='EMAHook')]
train_cfg = dict(max_iters=4)
""")
    run_localsup('train', config, '--work-dir', tmp_path, '--amp')
    checkpoint = torch.load(tmp_path / 'iter_4.pth', weights_only=True)
    assert 'ema_state_dict' in checkpoint
    assert 'loss_scaler' in checkpoint['optimizer']
    assert len(read_scalars(tmp_path, 'grad_norm')) > 0


def test_missing_data_set(trained, tmp_path):
    config, _, _ = trained
    output = find_refusal(
        'train',
        config,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        f'train_dataloader.dataset.data_root={tmp_path}/none/',
    )
    assert f'mini_cityscapes.py {tmp_path}/none/' in output


def test_wrong_number_of_classes(trained, tmp_path):
    config, _, _ = trained
    output = find_refusal(
        'train',
        config,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'model.decode_head.num_classes=7',
    )
    assert 'decode_head should be 19' in output
    assert 'but got 7' in output


def test_resume_from_a_truncated_checkpoint(trained, tmp_path):
    config, work_dir, _ = trained
    bad = tmp_path / 'iter_4.pth'
    bad.write_bytes((work_dir / 'iter_8.pth').read_bytes()[:5000])
    output = find_refusal(
        'train', config, '--work-dir', tmp_path, '--resume', bad
    )
    assert f"'{bad}', which cannot be read" in output
    output = find_refusal('test', config, bad)
    assert f"'{bad}', which cannot be read" in output


def run_by_torchrun(number, config, work_dir):
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'torch.distributed.run',
            f'--nproc_per_node={number}',
            '--standalone',
            str(ROOT / 'tools' / 'train.py'),
            str(config),
            '--launcher',
            'pytorch',
            '--work-dir',
            str(work_dir),
        ],
        env=environment(),
        cwd=work_dir,  # where mmengine leaves its .dist_test
        capture_output=True,
        text=True,
        timeout=600,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-5000:]
    return output


def test_two_processes_by_torchrun(trained, tmp_path):
    config = tmp_path / 'two.py'
    config.write_text(f"""
_base_ = ['{trained[0]}']
train_cfg = dict(max_iters=4, val_interval=4)
""")
    output = run_by_torchrun(2, config, tmp_path)
    assert 'Each process has batch norms of its own' in output
    checkpoint = torch.load(tmp_path / 'iter_4.pth', weights_only=True)
    assert len(checkpoint['random_states']) == 2


@pytest.mark.slow
def test_module_parallel_by_torchrun(trained, tmp_path):
    """Four processes of a local module each; then one tests and goes on."""
    config, _, _ = trained
    parallel = tmp_path / 'parallel.py'
    parallel.write_text(f"""
_base_ = ['{config}']
train_cfg = dict(max_iters=4, val_interval=4)
runner_type = 'ModuleParallelRunner'
""")
    run_by_torchrun(4, parallel, tmp_path)
    # those of later local modules come too late for so short a training
    assert len(read_scalars(tmp_path, 'local_0.loss_recon')) == 4
    scored = read_scalars(tmp_path, 'mIoU')[4]
    path = tmp_path / 'iter_4.pth'
    run_localsup('test', config, path, '--work-dir', tmp_path / 'test')
    (found,) = (tmp_path / 'test').glob('*/*.json')
    assert json.loads(found.read_text())['mIoU'] == scored
    run_localsup('train', config, '--work-dir', tmp_path, '--resume')
    assert (tmp_path / 'iter_8.pth').exists()


def test_checkpoint_of_another_network(trained, make_config, tmp_path):
    _, work_dir, _ = trained
    other = make_config('e2e/deeplabv3_r50_cityscapes.py')
    path = work_dir / 'iter_8.pth'
    output = find_refusal(
        'test',
        other,
        path,
        '--cfg-options',
        'model.decode_head.in_channels=256',
        'model.auxiliary_head.in_channels=128',
    )
    assert f"'{path}' with no or another" in output


def test_published_checkpoint_with_a_log(trained, tmp_path):
    """Host's own checkpoints hold classes; weights are all that is wanted."""
    config, work_dir, _ = trained
    checkpoint = torch.load(work_dir / 'iter_8.pth')
    checkpoint['message_hub'] = HistoryBuffer([1.0], [1])
    path = tmp_path / 'published.pth'
    torch.save(checkpoint, path)
    options = ('--cfg-options', f'load_from={path}', 'train_cfg.max_iters=1')
    run_localsup('train', config, '--work-dir', tmp_path / 'new', *options)
    run_localsup('test', config, path, '--work-dir', tmp_path / 'test')
    output = find_refusal(
        'train', config, '--work-dir', tmp_path, '--resume', path
    )
    assert f"{path}', which was refused" in output


def test_resume_from_weights_only(trained, tmp_path):
    config, work_dir, _ = trained
    path = tmp_path / 'published.pth'
    run_localsup('export', work_dir / 'iter_8.pth', path)
    output = find_refusal(
        'train', config, '--work-dir', tmp_path, '--resume', path
    )
    assert f"'{path}' without ['message_hub', 'optimizer']" in output
