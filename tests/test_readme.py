"""What the README names exists."""

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    'README.md',
    'CONTRIBUTING.md',
    'docs/architecture.md',
    'docs/measurements.md',
    *(str(p.relative_to(ROOT)) for p in ROOT.glob('configs/*/README.md')),
]


@pytest.mark.parametrize('page', PAGES)
def test_paths_exist(page):
    text = (ROOT / page).read_text()
    rooms = 'tools|configs|tests|docs|demo|benchmarks'
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


def test_commands_exist():
    text = (ROOT / 'README.md').read_text()
    makefile = (ROOT / 'Makefile').read_text()
    for target in re.findall(r'^make ([\w-]+)', text, re.MULTILINE):
        assert re.search(rf'^{target}:', makefile, re.MULTILINE)
    scripts = {e.name for e in entry_points(group='console_scripts')}
    assert 'csCreateTrainIdLabelImgs' in text
    assert 'csCreateTrainIdLabelImgs' in scripts


def test_nothing_is_left_to_fill_in():
    for page in PAGES:
        text = (ROOT / page).read_text()
        assert not re.search(r'@[A-Z]+@|<!--', text), page
