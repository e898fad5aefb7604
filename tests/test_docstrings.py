"""Docstrings are plain English: they begin with a noun or a verb.

Only the source is read. Whoever adds a module finds here what its docstrings
should not begin with.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from import_graph import ROOT

# beginnings of fragments, whose subject stands elsewhere or nowhere
FORBIDDEN = re.compile(r'(As|Likewise|Of|What|Whose)\b')
SECTIONS = ('Args', 'Attributes', 'Raises', 'Returns', 'Yields')
# "name (type): " or "type: ", up to the words of an entry
ENTRY = re.compile(r'[^\s:(]+ ?\(.*?\): |[^\s:].*?: ')

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def find_paths() -> list[Path]:
    return sorted(ROOT.rglob('*.py'))


def find_documented(
    tree: ast.Module,
) -> Iterator[tuple[ast.Module | Definition, bool]]:
    """Yield modules, classes and functions; whether each is public.

    A method that overrides one of a host may do without a docstring, so
    methods are not public here.
    """
    yield tree, True
    for node in ast.walk(tree):
        if isinstance(node, Definition):
            is_public = node in tree.body and not node.name.startswith('_')
            yield node, is_public


def find_beginnings(docstring: str) -> Iterator[tuple[int, str]]:
    """Yield the summary and the words of each entry, by their lines from 0."""
    lines = docstring.split('\n')
    yield 0, lines[0]
    section = ''
    for i, line in enumerate(lines[1:], 1):
        if not line.startswith(' ') and line:
            name = line.rstrip(':')
            section = name if line.endswith(':') else ''
        elif section in SECTIONS and re.match(r' {4}\S', line):
            found = ENTRY.match(line.strip())
            # the text of a return value may go on at the same indent
            if found:
                yield i, line.strip()[found.end() :]


def find_faults(source: str) -> list[tuple[int, str]]:
    """Find lines, from 1, and what is wrong with them."""
    faults = []
    for node, is_public in find_documented(ast.parse(source)):
        docstring = ast.get_docstring(node)
        if docstring is None:
            if is_public:
                line = getattr(node, 'lineno', 1)
                faults.append((line, 'should have a docstring'))
            continue
        start = node.body[0].lineno
        faults += [
            (start + i, f'should not begin so: {words!r}')
            for i, words in find_beginnings(docstring)
            if FORBIDDEN.match(words)
        ]
    return faults


def test_docstrings_are_plain_english():
    faults = [
        f'{path.relative_to(ROOT.parent)}:{line}: {fault}'
        for path in find_paths()
        for line, fault in find_faults(path.read_text())
    ]
    assert not faults, '\n' + '\n'.join(faults)


@pytest.mark.parametrize(
    'source, line, text',
    [
        ('x = 1', 1, 'a docstring'),
        ('"""A module."""\ndef run(): ...', 2, 'a docstring'),
        ('"""A module."""\nclass Net: ...', 2, 'a docstring'),
        ('"""What a network costs."""', 1, 'What a'),
        ('"""A module."""\ndef _run():\n    """As the host."""', 3, 'As the'),
        (
            '"""A module.\n\nArgs:\n    x (int, optional): Of the net.\n"""',
            4,
            'Of',
        ),
        (
            '"""A module.\n\nReturns:\n    dict[str, int]: What is.\n"""',
            4,
            'What',
        ),
    ],
)
def test_fragments_are_found(source, line, text):
    ((found, fault),) = find_faults(source)
    assert found == line
    assert text in fault
