"""The console script: its help, its errors, what it imports."""

import argparse
import sys
from types import FunctionType

import pytest
from commands import run_localsup
from processes import ROOT, run_tool, start, start_localsup

from localsup_mm.cli import arguments, export, main
from localsup_mm.version import __version__

SCREEN = 40
COMMANDS = list(main.COMMANDS)
# another name of the same thing
SHIMS = {
    'train': 'train.py',
    'test': 'test.py',
    'plan': 'plan.py',
    'localize': 'localize.py',
    'export': 'model_converters/export_checkpoint.py',
}


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')


def read_help(*words):
    with pytest.raises(SystemExit) as ended:
        main.main([*words, '--help'])
    assert ended.value.code == 0


def test_help_lists_the_commands(capsys):
    read_help()
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) <= SCREEN
    for name, summary in main.COMMANDS.items():
        assert f'  {name:<10}{summary}\n' in printed


@pytest.mark.parametrize('name', COMMANDS)
def test_help_of_a_command_fits_a_screen_and_has_an_example(name, capsys):
    read_help(name)
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) <= SCREEN
    assert printed.startswith(f'usage: localsup {name} ')
    assert main.COMMANDS[name] in printed
    example = printed.partition('\nexample:\n')[2]
    assert example.startswith(f'  localsup {name} ')


def find_actions(name):
    parser = main.make_parser(name)
    return {
        word: action
        for action in parser._actions
        for word in action.option_strings
    }


@pytest.mark.parametrize('name', COMMANDS)
def test_one_name_for_one_thing(name):
    """A flag that several commands share is that of the vocabulary."""
    for word, action in find_actions(name).items():
        expected = arguments.ARGUMENTS.get(word)
        if expected is None:
            continue
        parser = argparse.ArgumentParser()
        arguments.add_shared(parser, word)
        (shared,) = parser._actions[1:]
        assert action.option_strings == shared.option_strings
        assert action.dest == shared.dest
        assert action.type == shared.type


def test_flags_of_several_commands_are_in_the_vocabulary():
    users = {}
    for name in COMMANDS:
        for word, action in find_actions(name).items():
            if word.startswith('--') and action.dest != 'help':
                users.setdefault(action.dest, set()).add(name)
    known = {
        w.removeprefix('--').replace('-', '_') for w in arguments.ARGUMENTS
    }
    shared = {dest for dest, names in users.items() if len(names) > 1}
    assert shared <= known


def test_a_word_means_one_thing():
    meanings = {}
    for name in COMMANDS:
        for word, action in find_actions(name).items():
            meanings.setdefault(word, set()).add(action.dest)
    several = {w: found for w, found in meanings.items() if len(found) > 1}
    # the scripts of the hosts call predictions so
    assert several == {'--out': {'out', 'save_predictions'}}


def test_version(capsys):
    with pytest.raises(SystemExit):
        main.main(['--version'])
    assert capsys.readouterr().out.strip() == __version__


def test_unknown_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(['trian'])
    assert ended.value.code == 2
    assert "'trian'" in capsys.readouterr().err


def test_a_command_is_imported_when_it_is_called():
    code = (
        'import sys\n'
        'from localsup_mm.cli.main import main\n'
        'try: main(["--help"])\n'
        'except SystemExit: pass\n'
        'rooms = ("cli", "planning", "simulation")\n'
        'found = [n for n in sys.modules if n.startswith("localsup_mm")]\n'
        'print([n for n in found if n.split(".")[1:2] and\n'
        '       n.split(".")[1] in rooms])\n'
    )
    process = start(sys.executable, '-c', code)
    printed = process.communicate()[0].splitlines()
    assert printed[-1] == "['localsup_mm.cli', 'localsup_mm.cli.main']"


def test_a_refusal_is_a_message(tmp_path):
    process = start_localsup('plan', tmp_path / 'none.py', '--lowest')
    printed = process.communicate()[0]
    assert process.returncode == 1
    assert 'Traceback' not in printed
    message, hint = printed.splitlines()[-2:]
    assert message.startswith('`config` should be an existing file, but got')
    assert 'LOCALSUP_TRACEBACK=1' in hint


def test_a_refusal_is_an_error_where_that_is_asked_for(monkeypatch):
    words = ['plan', 'none.py', '--lowest']
    with pytest.raises(SystemExit, match=r"'none\.py'"):
        main.main(words)
    monkeypatch.setenv('LOCALSUP_TRACEBACK', '1')
    with pytest.raises(FileNotFoundError, match=r"'none\.py'"):
        main.main(words)


def test_other_errors_keep_their_traceback(tmp_path):
    """An error of mmengine, Python or a host is none of our refusals."""
    path = tmp_path / 'broken.py'
    path.write_text("raise ValueError('deep')\n")
    with pytest.raises(ValueError, match='deep'):
        main.main(['plan', str(path), '--lowest'])


def let_export_run(monkeypatch, source):
    """Let `export` run code as if that were code of the package."""
    code = compile(source, 'export_checkpoint.py', 'exec')
    run = FunctionType(code, {'__package__': 'localsup_mm.engine'})
    monkeypatch.setattr(export, 'export_checkpoint', lambda *args: run())


@pytest.mark.parametrize(
    'kind',
    [
        'ValueError',
        'TypeError',
        'RuntimeError',
        'FloatingPointError',
        'FileNotFoundError',
        'FileExistsError',
        'ImportError',
    ],
)
def test_each_kind_of_refusal_is_a_message(kind, monkeypatch):
    let_export_run(monkeypatch, f"raise {kind}('`loss` should be finite')")
    with pytest.raises(SystemExit, match='`loss` should be finite\n'):
        main.main(['export', 'a.pth', 'b.pth'])


@pytest.mark.parametrize(
    ('source', 'kind'),
    [
        ('len(1)', TypeError),
        ("int('one')", ValueError),
        (
            "__import__('torch').ones(2) @ __import__('torch').ones(3)",
            RuntimeError,
        ),
        ('raise KeyError(1)', KeyError),
    ],
)
def test_slips_of_the_package_keep_their_traceback(source, kind, monkeypatch):
    let_export_run(monkeypatch, source)
    with pytest.raises(kind):
        main.main(['export', 'a.pth', 'b.pth'])


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'script'), SHIMS.items())
def test_scripts_of_the_old_names(name, script):
    assert f'usage: localsup {name} ' in run_tool(script, '--help')


def test_configs_by_name(tmp_path):
    """Of ours and of a host, and one that inherits ours."""
    name = 'infopro/resnet32_k2_softmax_cifar10.py'
    path = tmp_path / 'child.py'
    path.write_text(f"_base_ = ['localsup_mm::{name}']\n")
    words = ['--boundaries', 'layer2.0', '--batch', '2']
    plans = [
        run_localsup('plan', config, *words).splitlines()[3:]
        for config in (f'{ROOT}/configs/{name}', f'localsup_mm::{name}', path)
    ]
    assert 'peak memory' in plans[0][0]
    assert plans[0] == plans[1] == plans[2]
