"""The package as a whole: exports, versions, directions of imports."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import localsup_mm

ROOT = Path(localsup_mm.__file__).parent
MODULES = [
    'localsup_mm',
    *(m.name for m in pkgutil.walk_packages([str(ROOT)], 'localsup_mm.')),
]


@pytest.mark.parametrize('name', MODULES)
def test_all_names_exist(name):
    module = importlib.import_module(name)
    for exported in getattr(module, '__all__', []):
        assert hasattr(module, exported), exported


def test_core_imports_torch_and_mmengine_only():
    allowed = {'torch', 'mmengine', 'numpy', 'localsup_mm'}
    for path in ROOT.rglob('*.py'):
        if path.parent.name in ('backbones', 'datasets'):
            continue  # on top of a host; imported by the configs that use them
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            for name in names:
                top = name.split('.')[0]
                is_standard = top in __import__('sys').stdlib_module_names
                assert is_standard or top in allowed, f'{path}: {name}'


def test_imports_point_one_way():
    order = ['models', 'engine', 'planning']
    for i, package in enumerate(order):
        for path in (ROOT / package).rglob('*.py'):
            for later in order[i + 1 :]:
                assert f'.{later}' not in path.read_text(), path


def test_old_torch_is_refused(monkeypatch):
    monkeypatch.setitem(localsup_mm._FLOORS, 'torch', ('1.13.1', '2.4.0'))
    with pytest.raises(ImportError, match=r'at least 2\.4\.0.*got 1\.13\.1'):
        localsup_mm._check_versions()
