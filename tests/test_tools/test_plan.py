"""The command that plans."""

import re
import sys

import pytest
from processes import ROOT

sys.path.insert(0, str(ROOT / 'tools'))

import plan

CONFIG = f'{ROOT}/configs/e2e/deeplabv3_r18_camvid.py'
SMALL = ['--batch', '2', '--size', '64x64']


def read_boundaries(printed):
    return re.findall(r"'([\w.]+)'", re.search('boundaries=(.*)', printed)[1])


def test_number_of_local_modules(capsys):
    plan.main([CONFIG, '--num-local-modules', '3', *SMALL])
    printed = capsys.readouterr().out
    assert 'input (2, 3, 64, 64)' in printed
    assert re.search(r'3 local modules: peak memory .* % of ', printed)
    assert len(read_boundaries(printed)) == 2


def test_budget_and_own_boundaries(capsys):
    words = [CONFIG, '--batch', '4', '--size', '256x256']
    plan.main([*words, '--lowest'])
    printed = capsys.readouterr().out
    lowest = read_boundaries(printed)
    summary = re.search(r'peak memory (.* [GM]iB),', printed)
    plan.main([*words, '--budget', '4GiB'])
    assert read_boundaries(capsys.readouterr().out) == []
    plan.main([*words, '--boundaries', *lowest])
    assert summary[0] in capsys.readouterr().out


@pytest.mark.parametrize(
    'option', ['--amp', '--with-cp', '--step-each-module']
)
def test_options_lower_some_local_module(option, capsys):
    words = [CONFIG, '--batch', '4', '--size', '256x256']
    peaks = []
    for options in ([], [option]):
        plan.main([*words, '--boundaries', 'layer1', 'layer4.0', *options])
        peaks.append(re.findall(r'up to .*: (.*)', capsys.readouterr().out))
    assert any(before > after for before, after in zip(*peaks))


def test_aux_nets_of_the_config(capsys):
    """Those of the first local module, not the planner's own."""
    words = [*SMALL, '--boundaries', 'layer2.0']
    path = f'{ROOT}/configs/infopro/deeplabv3_r18_k4_camvid.py'
    costs = []
    for config in (CONFIG, path):
        plan.main([config, *words])
        costs.append(
            float(re.search(r'([\d.]+) % more', capsys.readouterr().out)[1])
        )
    assert costs[0] < costs[1]


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--budget', 'much'], r"`--budget`.*'much'"),
        (['--budget', '1MiB'], r'`memory_budget` should be at least \d'),
        (['--num-local-modules', '99'], r'from 1 to \d+ for ResNetV1c'),
        (['--lowest', '--size', '64'], r"`--size` should be HxW.*'64'"),
        (['--boundaries', 'layer5'], r"`boundary` should.*'layer5'.*Closest"),
    ],
)
def test_bad_words(words, message):
    with pytest.raises(ValueError, match=message):
        plan.main([CONFIG, *SMALL, *words])


def test_something_to_plan_for(capsys):
    with pytest.raises(SystemExit):
        plan.main([CONFIG])
    assert 'required' in capsys.readouterr().err
