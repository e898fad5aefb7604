"""Functions that write a config which inherits from another."""

import os
import os.path as osp
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from ..hosts import make_inheritable, needs_copy

__all__ = ['check_out', 'write_config']


def check_out(path: str, base: str) -> None:
    """Check that a config can be written to a path without losing another.

    Args:
        path (str): File to write.
        base (str): The config it inherits from.

    Raises:
        ValueError: If the path is no ``.py`` file, or exists; or if that of
            a copy of the base does, where there has to be one.
    """
    copy = _name_copy(path)
    if osp.exists(copy) and needs_copy(base):
        path = copy
    if not path.endswith('.py') or osp.exists(path):
        raise ValueError(
            f'`path` should be a new .py file, but got {path!r}, which '
            f'{"exists" if osp.exists(path) else "is none"}. Choose another '
            'name, or remove it.'
        )


def write_config(
    path: str, header: Sequence[str], base: str, changes: dict
) -> None:
    """Write a config that cuts the backbone of its base.

    Beside it goes a copy of the base, ``*_base.py``, where that cannot be
    inherited from, see :func:`make_inheritable`.

    Args:
        path (str): File to write.
        header (Sequence[str]): Lines of a comment at its top.
        base (str): The config it inherits from: a path, or
            ``'mmdet::...'``.
        changes (dict): Settings of the config, as :func:`localize` returns
            them.
    """
    folder = osp.dirname(osp.abspath(path))
    os.makedirs(folder, exist_ok=True)
    base = make_inheritable(base, _name_copy(path))
    if '::' not in base:
        base = osp.relpath(base, folder)
    changes = dict(changes)
    local, backbone = changes.pop('local'), changes.pop('backbone')
    kept = '_base_.model.backbone'
    if backbone:
        extra = ', '.join(
            f'{key}={value!r}' for key, value in backbone.items()
        )
        kept = f'dict({kept}, {extra})'
    arguments = ''.join(f'        {name}={name},\n' for name in local)
    lines = [f'# {line}' for line in header]
    text = '\n'.join([*lines, f'_base_ = [{base!r}]\n']) + (
        f'{Config(local).pretty_text.strip()}\n'
        'model = dict(\n'
        '    backbone=dict(\n'
        '        _delete_=True,\n'
        "        type='LocalBackbone',\n"
        f'        backbone={kept},\n'
        f'{arguments}'
        '    )\n'
        ')\n'
        f'{Config(changes).pretty_text.strip()}\n'
    )
    Path(path).write_text(text, encoding='utf-8')


def _name_copy(path: str) -> str:
    return f'{osp.splitext(path)[0]}_base.py'
