"""The command that plans."""

import re

import pytest
import torch
from commands import run_localsup
from processes import ROOT

from localsup_mm.cli.main import make_parser, run_command
from localsup_mm.cli.plan import run
from localsup_mm.cli.planning_arguments import read_workload_arguments
from localsup_mm.hosts import read_training, uses_activation_checkpointing
from localsup_mm.planning import find_aux_nets
from localsup_mm.supervision import expand_local_modules

CONFIG = f'{ROOT}/configs/e2e/deeplabv3_r18_camvid.py'
SMALL = ['--batch', '2', '--size', '64x64']


def read_boundaries(printed):
    return re.findall(r"'([\w.]+)'", re.search('boundaries=(.*)', printed)[1])


@pytest.mark.parametrize(
    'option',
    [pytest.param('--num-local-modules', marks=pytest.mark.slow), '-k'],
)
def test_number_of_local_modules(option):
    printed = run_localsup('plan', CONFIG, option, '3', *SMALL)
    assert 'input (2, 3, 64, 64)' in printed
    assert re.search(r'3 local modules: peak memory .* % of ', printed)
    assert len(read_boundaries(printed)) == 2


@pytest.mark.parametrize(
    'option',
    [pytest.param('--memory-budget', marks=pytest.mark.slow), '--budget'],
)
def test_budget_and_own_boundaries(option):
    words = ['plan', CONFIG, '--batch', '4', '--size', '256x256']
    printed = run_localsup(*words, '--lowest', '--recompute', 'none')
    lowest = read_boundaries(printed)
    summary = re.search(r'peak memory (.* [GM]iB),', printed)
    printed = run_localsup(*words, option, '4GiB')
    assert read_boundaries(printed) == []
    printed = run_localsup(*words, '--boundaries', *lowest)
    assert summary[0] in printed


@pytest.mark.parametrize(
    'option', ['--amp', '--with-cp', '--step-each-module']
)
def test_how_it_trains(option):
    """By the config, or an option besides it."""
    cfg = read_training(CONFIG)
    words = [CONFIG, '--lowest', *SMALL]

    def read(*words):
        args = make_parser('plan').parse_args(words)
        workload = read_workload_arguments(cfg, args)
        return {
            '--amp': workload.autocast_dtype == torch.bfloat16,
            '--with-cp': uses_activation_checkpointing(workload.model),
            '--step-each-module': workload.step_each_module,
        }

    assert not any(read(*words).values())
    expected = dict.fromkeys(read(*words), False) | {option: True}
    assert read(*words, option) == expected
    if option == '--amp':
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
    elif option == '--with-cp':
        cfg.model.backbone.with_cp = True
    else:
        cfg.optim_wrapper.step_each_module = True
    assert read(*words) == expected


@pytest.mark.parametrize(
    'name',
    # a list, a published table, and conditions of boundaries='auto'
    ['deeplabv3_r101_cityscapes', 'resnet32_k2_softmax_cifar10', 'auto'],
)
def test_what_is_left_out_of_local_modules(name):
    path = f'{ROOT}/configs/infopro/{name}.py'
    if name == 'auto':
        cfg = read_training(path.replace(name, 'resnet32_k2_softmax_cifar10'))
        rule = cfg.model.backbone.local_modules
        rule.update(boundaries='auto', memory_budget='1GiB')
    else:
        cfg = read_training(path)
    aux_nets = find_aux_nets(cfg, (64, 64))
    parts = expand_local_modules(boundaries=['layer1', 'layer2'], **aux_nets)
    assert [part['boundary'] for part in parts] == ['layer1', 'layer2']
    assert all(part['decoder'] for part in parts)


def test_aux_nets_of_the_config():
    """Those of the first local module, not the planner's own."""
    words = [*SMALL, '--boundaries', 'layer2.0']
    path = f'{ROOT}/configs/infopro/deeplabv3_r18_k4_camvid.py'
    costs = []
    for config in (CONFIG, path):
        printed = run_localsup('plan', config, *words)
        costs.append(float(re.search(r'([\d.]+) % more', printed)[1]))
    assert costs[0] < costs[1]


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--budget', 'much'], r"`--memory-budget`.*'much'"),
        pytest.param(
            ['--budget', '1MiB'],
            r'`memory_budget`.* should be at least \d',
            marks=pytest.mark.slow,
        ),
        (['--num-local-modules', '99'], r'from 1 to \d+ for ResNetV1c'),
        (['--lowest', '--size', '64'], r"`--size` should be HxW.*'64'"),
        (['--boundaries', 'layer5'], r"`boundary` should.*'layer5'.*Closest"),
        (
            ['--boundaries', 'layer1', '--recompute', 'any'],
            "`--recompute` should.*got 'any' with --boundaries",
        ),
        (
            ['-k', '2', '--balance', 'time', '--recompute', 'cheap'],
            "`--recompute` should.*got 'cheap' with.*--balance time",
        ),
    ],
)
def test_bad_words(words, message):
    with pytest.raises(ValueError, match=message):
        run_command(['plan', CONFIG, *SMALL, *words])


def test_something_to_plan_for(capsys):
    with pytest.raises(SystemExit):
        run_command(['plan', CONFIG])
    assert 'required' in capsys.readouterr().err


def test_progress_is_shown_on_stderr(capsys):
    run_command(['plan', CONFIG, *SMALL, '-k', '2'])
    captured = capsys.readouterr()
    steps = [s for s in captured.err.splitlines() if s.startswith('... ')]
    assert steps[0] == '... tracing the backbone'
    assert re.fullmatch(r'\.\.\. end to end, with \d+ places to cut', steps[1])
    assert steps[-1] == '... a plan of 2 local modules'
    assert '... ' not in captured.out


def test_balance_of_time():
    words = ['plan', CONFIG, *SMALL, '--balance', 'time']
    printed = run_localsup(*words, '-k', '2')
    assert len(read_boundaries(printed)) == 1
    found = re.search(r'have (\d+) %, (\d+) %: 2 proc.*most ([\d.]+)', printed)
    shares = [int(found[1]), int(found[2])]
    assert sum(shares) in (99, 100, 101)
    assert 100 / max(shares) == pytest.approx(float(found[3]), rel=0.02)
    assert max(shares) < 60
    args = make_parser('plan').parse_args([*words[1:], '--lowest'])
    with pytest.raises(ValueError, match='go with --num-local-modules'):
        run(args)
