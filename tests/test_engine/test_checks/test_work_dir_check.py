"""A place for logs and checkpoints, before anything is built."""

import pytest
from commands import run_localsup

from localsup_mm.engine.checks.work_dir_check import check_work_dir


def test_a_folder_that_cannot_be_made(tmp_path, make_config):
    (tmp_path / 'file').write_text('')
    work_dir = tmp_path / 'file' / 'work'
    with pytest.raises(ValueError, match=r"file/work' \(Not a directory\)"):
        run_localsup(
            'train',
            make_config('e2e/deeplabv3_r18_cityscapes.py'),
            '--work-dir',
            work_dir,
        )


def test_nothing_is_left_in_it(tmp_path):
    check_work_dir(str(tmp_path / 'new' / 'work'))
    assert not list((tmp_path / 'new' / 'work').iterdir())


def test_other_processes_need_not_write(tmp_path, monkeypatch):
    monkeypatch.setenv('RANK', '1')
    check_work_dir(str(tmp_path / 'new'))
    assert not (tmp_path / 'new').exists()
