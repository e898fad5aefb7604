"""The package as a whole: exports, versions, directions of imports."""

import ast
import importlib
import pkgutil
import re
import sys
from types import FunctionType

import pytest
from import_graph import (
    ROOT,
    find_arrows_up,
    find_circle,
    find_imports,
    read_graph,
)
from mmengine.utils import digit_version

import localsup_mm
from localsup_mm import upstream

MODULES = [
    'localsup_mm',
    *(m.name for m in pkgutil.walk_packages([str(ROOT)], 'localsup_mm.')),
]
HOSTS = {'mmseg', 'mmdet', 'mmpretrain', 'mmaction', 'mmcv'}
OWN_NAMES = set()
# on top of a host; imported by the configs that use them
OPT_IN = ('models/backbones', 'datasets')
# what may be missing: it is imported where it is used
OPTIONAL = {('analysis/charts.py', 'matplotlib')}


@pytest.mark.parametrize('name', MODULES)
def test_all_names_exist(name):
    module = importlib.import_module(name)
    for exported in getattr(module, '__all__', []):
        assert hasattr(module, exported), exported


def test_hosts_are_imported_in_their_room_only():
    for path in ROOT.rglob('*.py'):
        room = path.parent.relative_to(ROOT).as_posix()
        if room == 'hosts' or room in OPT_IN:
            continue
        tops = {name.split('.')[0] for name in find_imports(path)}
        assert not tops & HOSTS, path


def test_hosts_are_named_in_their_room_only():
    """In code; examples in messages and docstrings may name them."""
    for path in ROOT.rglob('*.py'):
        room = path.parent.relative_to(ROOT).as_posix()
        if room == 'hosts' or room in OPT_IN:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            text = getattr(node, 'value', None)
            name = getattr(node, 'id', getattr(node, 'attr', None))
            if isinstance(text, str):
                name = re.match(r'(\w*)([.:]\S+)?$', text)
                name = name and name[1]
            assert name not in HOSTS, f'{path}:{node.lineno}'


def test_the_package_depends_on_little():
    allowed = {'torch', 'mmengine', 'numpy', 'localsup_mm', *HOSTS}
    for path in ROOT.rglob('*.py'):
        if path.parent.relative_to(ROOT).as_posix() in OPT_IN:
            continue
        for name in find_imports(path):
            top = name.split('.')[0]
            known = top in sys.stdlib_module_names or top in allowed
            place = (path.relative_to(ROOT).as_posix(), top)
            assert known or place in OPTIONAL, f'{path}: {name}'


def test_imports_point_one_way():
    graph = read_graph()
    assert len(graph) == len(MODULES)
    assert find_arrows_up(graph) == []
    assert find_circle(graph) == []


def test_an_import_by_a_string_is_seen(tmp_path):
    path = ROOT / 'metering' / '__init__.py'
    assert 'localsup_mm.metering.live_bytes.LiveBytes' in {*find_imports(path)}
    source = tmp_path / 'localsup_mm' / 'module.py'
    source.parent.mkdir()
    source.write_text("structures = import_module('mmseg.structures')\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('import_graph.ROOT', source.parent)
        assert list(find_imports(source)) == ['mmseg.structures']


def test_private_names_of_others_stand_in_one_room():
    OWN_NAMES.update(find_own_names())
    for path in ROOT.rglob('*.py'):
        room = path.parent.relative_to(ROOT).as_posix()
        if room != 'upstream' and room not in OPT_IN:
            assert list(find_private_names(path)) == [], path


def find_private_names(path):
    """Names with an underscore that a file takes of torch or mmengine."""
    for name in find_imports(path):
        top, *parts = name.split('.')
        if top in ('torch', 'mmengine') and any(p[0] == '_' for p in parts):
            yield name
    for node in ast.walk(ast.parse(path.read_text())):
        is_attribute = isinstance(node, ast.Attribute)
        if is_attribute and is_others(node.attr):
            name = ast.unparse(node)
            if not name.startswith('argparse.'):  # of Python itself
                yield name


def is_others(name):
    return is_private(name) and name not in OWN_NAMES


def is_private(name):
    return name.startswith('_') and not name.startswith('__')


def find_own_names():
    """Private names that some class or module of the package defines."""
    for path in ROOT.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                yield node.name
            elif isinstance(getattr(node, 'ctx', None), ast.Store):
                yield getattr(node, 'id', getattr(node, 'attr', None))


def test_overridden_private_methods_are_listed():
    """Those of torch and mmengine; where they stand, upstream says."""
    found = set()
    for name in MODULES:
        for cls in vars(importlib.import_module(name)).values():
            if isinstance(cls, type) and cls.__module__ == name:
                foreign = [
                    base
                    for base in cls.__mro__
                    if base.__module__.split('.')[0] in ('torch', 'mmengine')
                ]
                found |= {
                    f'{cls.__name__}.{method}'
                    for method, value in vars(cls).items()
                    if is_private(method)
                    and isinstance(value, FunctionType)
                    and any(hasattr(base, method) for base in foreign)
                }
    assert found == {
        'ContextSupply._load_from_state_dict',
        'SafeCheckpointHook._save_checkpoint_with_step',
        'WarmupCosineLR._get_value',
        '_NormOfProcess._check_input_dim',
    }
    for name in found:
        for part in name.split('.'):
            assert part in upstream.__doc__


def test_the_floors_are_tested():
    """`make test-floors` installs the oldest releases that are let in."""
    pins = (ROOT.parent / 'requirements' / 'floors.txt').read_text()
    for package, (found, floor) in localsup_mm._FLOORS.items():
        assert f'\n{package}=={floor} ' in pins
        assert digit_version(found) >= digit_version(floor)


def test_old_torch_is_refused(monkeypatch):
    monkeypatch.setitem(localsup_mm._FLOORS, 'torch', ('1.13.1', '2.4.0'))
    with pytest.raises(ImportError, match=r'at least 2\.4\.0.*got 1\.13\.1'):
        localsup_mm._check_versions()
