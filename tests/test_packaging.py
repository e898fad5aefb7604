"""An installed wheel has all that the README promises, without a clone."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from processes import ROOT

pytestmark = pytest.mark.slow

SOURCES = (
    'LICENSE',
    'MANIFEST.in',
    'README.md',
    'configs',
    'localsup_mm',
    'model-index.yml',
    'pyproject.toml',
    'requirements',
    'setup.py',
    'tools',
)
FCN = 'mmseg::fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024.py'
SMALL = ('--batch', '2', '--size', '64x64')


def run(*command, cwd, **variables):
    kept = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env={**kept, 'OMP_NUM_THREADS': '1', **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """A wheel that is built from a source archive, and that from a copy."""
    folder = tmp_path_factory.mktemp('build')
    source = folder / 'source'
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns('__pycache__')
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy2(ROOT / name, source / name)
    code = (
        'from setuptools.build_meta import build_sdist\n'
        f'build_sdist({str(folder)!r})\n'
    )
    run(sys.executable, '-c', code, cwd=source)
    (archive,) = folder.glob('*.tar.gz')
    run(
        *(sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-index'),
        *('--no-build-isolation', '-w', folder, archive),
        cwd=folder,
    )
    (path,) = folder.glob('*.whl')
    return path


@pytest.fixture(scope='module')
def python(wheel, tmp_path_factory):
    """A new environment with the wheel; torch and the hosts are lent to it."""
    folder = tmp_path_factory.mktemp('env')
    run(sys.executable, '-m', 'venv', '--without-pip', folder, cwd=folder)
    python = folder / 'bin' / 'python'
    run(
        *(sys.executable, '-m', 'pip', '--python', python, 'install'),
        *('--no-deps', '--no-index', wheel),
        cwd=folder,
    )
    code = 'import sysconfig; print(sysconfig.get_path("purelib"))'
    packages = Path(run(python, '-c', code, cwd=folder).strip())
    # behind its own; .pth files that lie there are not read, so an editable
    # install of this package is not seen
    lent = sysconfig.get_path('purelib')
    (packages / 'lent.pth').write_text(f'{lent}\n')
    return python


@pytest.fixture(scope='module')
def localsup(python, tmp_path_factory):
    """Run the console script in an empty folder outside of any clone."""
    folder = tmp_path_factory.mktemp('outside')

    def run_command(*words):
        return run(python.parent / 'localsup', *words, cwd=folder)

    run_command.folder = folder
    return run_command


def test_wheel_has_what_mim_looks_for(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = {
        path.relative_to(ROOT).as_posix()
        for folder in ('configs', 'tools')
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and path.suffix != '.pyc'
    }
    found = {
        name.removeprefix('localsup_mm/.mim/')
        for name in names
        if name.startswith('localsup_mm/.mim/')
    }
    assert found == tracked | {'model-index.yml'}
    assert 'localsup_mm/py.typed' in names
    assert not any(name.startswith('tests/') for name in names)


def test_package_is_that_of_the_wheel(python, tmp_path):
    code = 'import localsup_mm; print(localsup_mm.__file__)'
    path = run(python, '-c', code, cwd=tmp_path).splitlines()[-1]
    assert Path(path).is_relative_to(python.parents[1])


def test_localize_train_and_test(localsup, mini_cityscapes):
    output = localsup('localize', FCN, '-k', '2', *SMALL, '-o', 'my.py')
    assert 'wrote my.py' in output
    loaders = [
        f'{split}_dataloader.{setting}'
        for split in ('train', 'val', 'test')
        for setting in (
            f'dataset.data_root={mini_cityscapes}/',
            'num_workers=0',
            'persistent_workers=False',
        )
    ]
    options = (
        '--cfg-options',
        *loaders,
        'model.pretrained=None',
        'model.data_preprocessor.size=(64,64)',
        'train_dataloader.dataset.pipeline.2.scale=(128,64)',
        'train_dataloader.dataset.pipeline.3.crop_size=(64,64)',
        'val_dataloader.dataset.pipeline.1.scale=(128,64)',
        'test_dataloader.dataset.pipeline.1.scale=(128,64)',
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
        'default_hooks.logger.interval=1',
    )
    output = localsup('train', 'my.py', *options)
    assert 'local_0.loss_recon' in output
    assert 'mIoU' in output
    checkpoint = 'work_dirs/my/iter_2.pth'
    output = localsup('test', 'my.py', checkpoint, *options)
    assert 'mIoU' in output
    localsup('export', checkpoint, 'plain.pth')
    output = localsup('test', FCN, 'plain.pth', *options)
    assert 'mIoU' in output


def test_plan(localsup):
    config = 'localsup_mm::e2e/deeplabv3_r18_camvid.py'
    output = localsup('plan', config, '-k', '2', *SMALL)
    assert '2 local modules: peak memory' in output


def test_config_that_inherits_ours(localsup):
    base = 'localsup_mm::infopro/deeplabv3_r18_k4_camvid.py'
    path = localsup.folder / 'child.py'
    path.write_text(f"_base_ = ['{base}']\n")
    plans = [
        localsup('plan', config, '--boundaries', 'layer2.0', *SMALL)
        for config in ('child.py', base)
    ]
    costs = [plan[plan.index('boundaries=') :] for plan in plans]
    assert costs[0] == costs[1]


def test_compare(localsup):
    config = 'localsup_mm::infopro/deeplabv3_r18_k4_camvid.py'
    output = localsup('compare', config, '--fake', *SMALL)
    for name in ('e2e', 'infopro'):
        assert f'| {name} |' in output


def test_the_script_that_mim_runs(python, tmp_path):
    packages = next((python.parents[1] / 'lib').glob('*/site-packages'))
    script = packages / 'localsup_mm' / '.mim' / 'tools' / 'train.py'
    output = run(python, script, '--help', cwd=tmp_path)
    assert 'usage: localsup train ' in output
    # mim passes that only to OpenMMLab 1.x
    assert '--gpus' not in output
