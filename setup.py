import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_version() -> str:
    """Read the version as text: importing the package needs PyTorch."""
    text = (ROOT / 'localsup_mm' / 'version.py').read_text()
    return re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE).group(1)


def read_requirements(name: str) -> list[str]:
    """Read ``requirements/{name}.txt`` without its comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    lines = (line.split('#')[0].strip() for line in lines)
    return [line for line in lines if line]


def read_readme() -> str:
    """Read the README, which a source archive may lack."""
    path = ROOT / 'README.md'
    return path.read_text(encoding='utf-8') if path.exists() else ''


setup(
    name='localsup_mm',
    version=read_version(),
    description='Locally supervised training for OpenMMLab 2.x',
    long_description=read_readme(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['localsup_mm', 'localsup_mm.*']),
    package_data={'localsup_mm': ['py.typed', 'published/*.yml']},
    python_requires='>=3.10',
    install_requires=read_requirements('runtime'),
    extras_require={
        name: read_requirements(name)
        for name in ('mminstall', 'optional', 'tests')
    },
)
