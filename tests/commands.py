"""The project's commands in this process, which saves the imports."""

import io
from contextlib import redirect_stdout

from mmengine.utils import ManagerMixin

from localsup_mm.cli.main import run_command


def run_localsup(*words):
    """Run a command; its errors are raised, what it prints is returned."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            run_command([*map(str, words)])
    finally:
        forget_runners()
    return printed.getvalue()


def forget_runners():
    """Forget loggers, visualizers and so on that mmengine keeps by name."""
    kinds = [ManagerMixin]
    for kind in kinds:
        kinds += kind.__subclasses__()
        for kept in kind._instance_dict.values():
            for handler in getattr(kept, 'handlers', ()):
                handler.close()
        kind._instance_dict.clear()
