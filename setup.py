"""The part of packaging that pyproject.toml cannot say: ``.mim``.

OpenMMLab looks for configs and tools in ``localsup_mm/.mim``. A clone, and an
editable install of it, has them at its top.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SHIPPED = ('configs', 'tools', 'model-index.yml')


class BuildWithMim(build_py):
    """Build the package with a copy of configs and tools in it."""

    def run(self) -> None:
        """Build as setuptools does, then copy."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, 'localsup_mm', '.mim')
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in SHIPPED:
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns('__pycache__')
                shutil.copytree(ROOT / name, target / name, ignore=ignored)
            else:
                shutil.copy2(ROOT / name, target / name)


setup(cmdclass=dict(build_py=BuildWithMim))
