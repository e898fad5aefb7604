"""The shell scripts hand their words on to the right commands."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'
LAUNCHERS = (
    'dist_train.sh',
    'dist_test.sh',
    'slurm_train.sh',
    'slurm_test.sh',
)
VARIABLES = (
    'NNODES',
    'NODE_RANK',
    'PORT',
    'MASTER_ADDR',
    'GPUS',
    'GPUS_PER_NODE',
    'CPUS_PER_TASK',
    'SRUN_ARGS',
    'PYTHONPATH',
)
# One word a line: an argument with a space in it must stay one word.
ECHO = '#!/bin/sh\nprintf "%s\\n" "PYTHONPATH=$PYTHONPATH" "$@"\n'

pytestmark = pytest.mark.skipif(
    shutil.which('bash') is None, reason='no bash on this machine'
)


@pytest.fixture
def launch(tmp_path):
    """Run a launcher where `python` and `srun` only echo their arguments."""
    for command in ('python', 'srun'):
        path = tmp_path / command
        path.write_text(ECHO)
        path.chmod(0o755)

    def run(launcher, *words, **variables):
        env = {k: v for k, v in os.environ.items() if k not in VARIABLES}
        env['PATH'] = f'{tmp_path}{os.pathsep}{env["PATH"]}'
        return subprocess.run(
            ['bash', str(TOOLS / launcher), *words],
            env={**env, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.parametrize('launcher', LAUNCHERS)
def test_is_executable_bash(launcher):
    path = TOOLS / launcher
    subprocess.run(['bash', '-n', str(path)], check=True)
    assert os.access(path, os.X_OK)
    assert path.read_text().startswith('#!/usr/bin/env bash\n')


@pytest.mark.parametrize('launcher', LAUNCHERS)
@pytest.mark.parametrize('words', [(), ('one',)])
def test_prints_usage_without_arguments(launch, launcher, words):
    result = launch(launcher, *words)
    assert result.returncode == 2
    assert result.stdout == ''
    assert f'Usage: bash tools/{launcher} ' in result.stderr


@pytest.mark.parametrize('launcher', ['dist.sh', 'slurm.sh'])
@pytest.mark.parametrize('words', [(), ('tune', 'config.py', '2', 'more')])
def test_common_script_wants_a_command(launch, launcher, words):
    result = launch(launcher, *words)
    assert result.returncode == 2
    assert result.stdout == ''
    assert f'Usage: bash tools/{launcher} train|test' in result.stderr


def test_dist_train_passes_words(launch):
    result = launch(
        'dist_train.sh', 'my config.py', '4', '--cfg-options', 'a.b=[1, 2]'
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        f'PYTHONPATH={TOOLS.parent}',
        '-m',
        'torch.distributed.run',
        '--nnodes=1',
        '--node_rank=0',
        '--master_addr=127.0.0.1',
        '--master_port=29500',
        '--nproc_per_node=4',
        str(TOOLS / 'train.py'),
        'my config.py',
        '--launcher',
        'pytorch',
        '--cfg-options',
        'a.b=[1, 2]',
    ]


def test_dist_train_reads_environment(launch):
    result = launch(
        'dist_train.sh',
        'c.py',
        '8',
        NNODES='2',
        NODE_RANK='1',
        MASTER_ADDR='10.0.0.1',
        PORT='1234',
        PYTHONPATH='elsewhere',
    )
    words = result.stdout.splitlines()
    assert words[0] == f'PYTHONPATH={TOOLS.parent}:elsewhere'
    assert words[3:8] == [
        '--nnodes=2',
        '--node_rank=1',
        '--master_addr=10.0.0.1',
        '--master_port=1234',
        '--nproc_per_node=8',
    ]


def test_dist_test_passes_words(launch):
    result = launch('dist_test.sh', 'c.py', 'it er.pth', '2', '--tta')
    assert result.stdout.splitlines()[7:] == [
        '--nproc_per_node=2',
        str(TOOLS / 'test.py'),
        'c.py',
        'it er.pth',
        '--launcher',
        'pytorch',
        '--tta',
    ]


@pytest.mark.parametrize(
    'launcher, words',
    [
        ('slurm_train.sh', ['c.py']),
        ('slurm_test.sh', ['c.py', 'it er.pth']),
    ],
)
def test_slurm_passes_words(launch, launcher, words):
    script = launcher.removeprefix('slurm_').replace('.sh', '.py')
    result = launch(
        launcher,
        'gpu',
        'my job',
        *words,
        '--work-dir',
        'a b',
        GPUS='16',
        GPUS_PER_NODE='8',
        SRUN_ARGS='--mem 8G',
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[1:] == [
        '--partition=gpu',
        '--job-name=my job',
        '--gres=gpu:8',
        '--ntasks=16',
        '--ntasks-per-node=8',
        '--cpus-per-task=5',
        '--kill-on-bad-exit=1',
        '--mem',
        '8G',
        'python',
        '-u',
        str(TOOLS / script),
        *words,
        '--launcher',
        'slurm',
        '--work-dir',
        'a b',
    ]


def test_port_in_use(launch):
    """It is said before torchrun starts."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
        result = launch('dist_train.sh', 'config.py', '2', PORT=str(port))
        assert result.returncode == 1
        assert f'PORT should be free, but {port} is in use' in result.stderr
        assert not result.stdout
        other = launch(
            'dist_train.sh', 'config.py', '2', PORT=str(port), NODE_RANK='1'
        )
    assert other.returncode == 0
    assert f'--master_port={port}' in other.stdout
