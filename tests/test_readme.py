"""What the README names exists."""

import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import torch

from localsup_mm.cli.main import COMMANDS, make_parser

ROOT = Path(__file__).parents[1]
PAGES = [
    'README.md',
    'CONTRIBUTING.md',
    'docs/add_a_method.md',
    'docs/architecture.md',
    'docs/measurements.md',
    'docs/evidence.md',
    'docs/faults.md',
    'configs/README.md',
    'mmcv_ops/README.md',
    *(str(p.relative_to(ROOT)) for p in ROOT.glob('configs/*/README.md')),
]


@pytest.mark.parametrize('page', PAGES)
def test_paths_exist(page):
    text = (ROOT / page).read_text()
    rooms = 'tools|configs|tests|docs|demo|benchmarks|mmcv_ops'
    paths = set(re.findall(rf'\b(?:{rooms})/[\w./-]*\w', text))
    assert paths
    for path in paths:
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize('page', PAGES)
def test_links_lead_somewhere(page):
    folder = (ROOT / page).parent
    for target in re.findall(r'\]\(([^)#]+)', (ROOT / page).read_text()):
        if '://' not in target:
            assert (folder / target).exists(), target


def test_make_targets_exist():
    makefile = (ROOT / 'Makefile').read_text()
    for page in PAGES:
        text = (ROOT / page).read_text()
        blocks = re.findall(r'```bash\n(.*?)```', text, re.DOTALL)
        commands = '\n'.join(blocks)
        for target in re.findall(r'^make ([\w-]+)', commands, re.MULTILINE):
            assert re.search(rf'^{target}:', makefile, re.MULTILINE), target
    scripts = {e.name for e in entry_points(group='console_scripts')}
    assert 'csCreateTrainIdLabelImgs' in scripts


def find_commands(page):
    """All ``localsup`` commands of the blocks of a page, as words."""
    text = (ROOT / page).read_text()
    for block in re.findall(r'```bash\n(.*?)```', text, re.DOTALL):
        for line in block.replace('\\\n', ' ').splitlines():
            words = shlex.split(line, comments=True)
            if 'localsup' in words:
                yield words[words.index('localsup') + 1 :]


@pytest.mark.parametrize(
    'words',
    [words for page in PAGES for words in find_commands(page)],
    ids=' '.join,
)
def test_commands_are_understood(words):
    make_parser(words[0]).parse_args(words[1:])
    assert words[0] in COMMANDS


def test_there_are_commands():
    assert sum(1 for _ in find_commands('README.md')) >= 3
    assert sum(1 for _ in find_commands('docs/measurements.md')) >= 8


def test_the_plain_pytorch_example_trains():
    """Each parameter learns, and the network is what it was."""
    text = (ROOT / 'README.md').read_text()
    (example,) = re.findall(
        r'```python\n(import torch.*?)```', text, re.DOTALL
    )
    assert len(example.splitlines()) <= 20
    batch = torch.rand(4, 3, 64, 64), torch.tensor([0, 1, 0, 1])
    # the second batch is never reached: gradients of the first one stay
    loader = iter([batch, None])
    names = dict(loader=loader)
    with pytest.raises(TypeError, match='NoneType'):
        exec(example.replace('    optimizer.zero_grad()', ''), names)
    parameters = dict(names['net'].named_parameters())
    assert any('local_supervision' in name for name in parameters)
    for name, parameter in parameters.items():
        assert parameter.grad is not None, name


def test_tests_that_the_architecture_names_exist():
    text = (ROOT / 'docs/architecture.md').read_text()
    found = re.findall(r'`(test_[\w/]+\.py)(?:::(\w+))?`', text)
    assert found
    for path, function in found:
        source = (ROOT / 'tests' / path).read_text()
        assert not function or f'def {function}(' in source, function


def test_rooms_that_the_architecture_names_are_those_there_are():
    text = (ROOT / 'docs/architecture.md').read_text()
    named = set(re.findall(r'^\| `([\w.]+?)/?` \| ', text, re.MULTILINE))
    there = {
        path.name
        for path in (ROOT / 'localsup_mm').iterdir()
        if path.name != '__pycache__'
        and path.is_dir()
        # a folder that has moved leaves its cache behind
        and any(child.is_file() for child in path.iterdir())
    }
    assert named == {
        *there,
        'errors.py',
        'outside_autocast.py',
        'replaced_method.py',
        'upstream.py',
    }


def test_nothing_is_left_to_fill_in():
    for page in PAGES:
        text = (ROOT / page).read_text()
        assert not re.search(r'@[A-Z]+@|<!--', text), page
