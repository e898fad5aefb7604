"""The project's commands and scripts, each in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCALSUP = (sys.executable, '-m', 'localsup_mm.cli.main')


def environment():
    env = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT))
    env.pop('LOCAL_RANK', None)
    return env


def start(*command):
    return subprocess.Popen(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )


def finish(process, expect=0):
    output = process.communicate(timeout=600)[0]
    assert (process.returncode == 0) == (expect == 0), output[-3000:]
    return output


def start_localsup(*words):
    return start(*LOCALSUP, *words)


def run_tool(tool, *args, expect=0):
    return run_script(f'tools/{tool}', *args, expect=expect)


def run_script(script, *args, expect=0):
    return finish(start(sys.executable, ROOT / script, *args), expect)


def read_scalars(work_dir, key):
    """Iteration to value, over all runs in a work dir; the last one counts."""
    values = {}
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if key in record:
                values[record['step']] = record[key]
    return values
