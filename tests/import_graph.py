"""The import graph of the package, read from its source.

    python tests/import_graph.py

It prints the rooms from the top floor down, each with what it imports, and
fails where an arrow leads back up or modules import each other in a circle.
``import_module('...')`` with a literal string counts as an import.
"""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = 'localsup_mm'
ROOT = Path(__file__).parents[1] / PACKAGE
# the rooms from the ground floor up; a room imports from those before it
FLOORS = (
    'upstream',
    'errors',
    'outside_autocast',
    'replaced_method',
    'metering',
    'hosts',
    'recomputation',
    'models',
    'tracing',
    'supervision',
    'engine',
    'simulation',
    'planning',
    'analysis',
    'conversion',
    'cli',
)
# what stands beside the rooms: they import from it, or nobody imports them
BESIDE = ('version', 'datasets')


def find_module(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def find_imports(path: Path) -> Iterator[str]:
    """Absolute names of all modules that a file imports."""
    module = find_module(path)
    is_package = path.name == '__init__.py'
    tree = ast.parse(path.read_text())
    for node in list(ast.walk(tree)):
        # what a type checker alone imports is no arrow
        if isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split('.')
            base = base[: len(base) - node.level + is_package]
            names = [*(base if node.level else ()), node.module or '']
            source = '.'.join(filter(None, names))
            for alias in node.names:
                yield f'{source}.{alias.name}'
        elif isinstance(node, ast.Call):
            function = node.func
            name = getattr(function, 'attr', getattr(function, 'id', ''))
            if name in ('import_module', '__import__') and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    yield first.value


def read_graph() -> dict[str, set[str]]:
    """Each module of the package and the modules of it that it imports."""
    files = {find_module(path): path for path in ROOT.rglob('*.py')}
    graph = {}
    for module, path in files.items():
        targets = set()
        for name in find_imports(path):
            while name.startswith(f'{PACKAGE}.') and name not in files:
                name = name.rpartition('.')[0]
            if name.startswith(f'{PACKAGE}.'):
                targets.add(name)
        graph[module] = targets - {module}
    return graph


def find_room(module: str) -> str:
    return module.split('.')[1] if '.' in module else PACKAGE


def find_arrows_up(graph: dict[str, set[str]]) -> list[str]:
    """Imports that lead to a higher floor, or to none."""
    wrong = []
    for module, targets in graph.items():
        room = find_room(module)
        if room == PACKAGE or room in BESIDE:
            continue
        for target in targets:
            other = find_room(target)
            if other == 'version':
                continue
            if other in BESIDE or FLOORS.index(other) > FLOORS.index(room):
                wrong.append(f'{module} -> {target}')
    return wrong


def find_circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle; empty if none do."""
    # a package imports its modules, which may import from one another
    files = {m: t for m, t in graph.items() if m != PACKAGE}
    try:
        TopologicalSorter(files).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def main() -> int:
    graph = read_graph()
    for room in reversed(FLOORS):
        modules = [m for m in graph if find_room(m) == room]
        below = {find_room(t) for m in modules for t in graph[m]} - {room}
        order = sorted(below, key=[*FLOORS, *BESIDE].index)
        print(f'{room:<12} {len(modules):3} modules  imports {order}')
    arrows, circle = find_arrows_up(graph), find_circle(graph)
    print(f'arrows back up: {arrows or "none"}; circle: {circle or "none"}')
    return bool(arrows or circle)


if __name__ == '__main__':
    sys.exit(main())
