"""What methods were compared on, for the record of a comparison."""

import os
import platform
from importlib import import_module

import torch

__all__ = ['describe_setting', 'find_versions', 'name_machine']


def describe_setting(setting: dict) -> str:
    """Say in a line on what methods were compared.

    Args:
        setting (dict): ``input_shape``, ``precision``, ``device`` and
            ``memory``.

    Returns:
        str: The line.
    """
    shape = ' x '.join(map(str, setting['input_shape']))
    counted = f'counted as {setting["memory"]}'
    if setting['device'] == 'none':
        counted = 'counted on fake tensors'
    elif setting['device'] == 'cuda':
        counted = 'counted by the allocator of the GPU'
    return f'{shape}, {setting["precision"]}, memory {counted}'


def name_machine(device: str) -> str:
    """Name the GPU, or the kind of CPU.

    Args:
        device (str): ``'cuda'``, or another one.

    Returns:
        str: Its name.
    """
    if device == 'cuda':
        return torch.cuda.get_device_name()
    return f'{platform.machine()}, {os.cpu_count()} cores'


def find_versions(host: str) -> dict[str, str]:
    """Find the versions of all that has a say in the numbers.

    Args:
        host (str): The package of the host that trains.

    Returns:
        dict[str, str]: The version of each package; ``'unknown'`` if it
        tells none, as the module of one's own host may.
    """
    packages = dict.fromkeys(['torch', 'mmengine', host, 'localsup_mm'])
    return {
        'python': platform.python_version(),
        **{name: _find_version(name) for name in packages},
    }


def _find_version(package: str) -> str:
    return getattr(import_module(package), '__version__', 'unknown')
