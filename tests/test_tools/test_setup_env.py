"""The set-up refuses what it cannot make before it makes anything."""

import os
import subprocess

import pytest
from processes import ROOT


@pytest.mark.parametrize(
    ('variables', 'message'),
    [
        ({'MMCV': 'cuda'}, "MMCV should be lite or compiled, but got 'cuda'"),
        ({'STACK': 'old'}, "should be empty, floors or onedl, but got 'old'"),
        ({'STACK': 'onedl', 'MMCV': 'compiled'}, 'Leave one of them out.'),
        (
            {'PYTHON': '/bin/false'},
            "Python 3.10 to 3.13, but got '/bin/false'",
        ),
        (
            {'PYTHON': '/bin/false', 'STACK': 'floors'},
            "Python 3.10 to 3.12, but got '/bin/false'",
        ),
    ],
)
def test_refusals(variables, message):
    done = subprocess.run(
        ['bash', ROOT / 'tools' / 'setup_env.sh'],
        env={'PATH': os.environ['PATH'], **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.startswith('make env: ')
    assert message in done.stderr
