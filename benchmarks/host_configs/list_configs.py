"""The configs that hosts bring, grouped by what is measured alike."""

import contextlib
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from mmengine.config import Config
from mmengine.utils import get_installed_path

from localsup_mm.hosts import find_host, read_config

HOSTS = ('mmseg', 'mmdet', 'mmpretrain')
# settings of a model that cost nothing in training
_FREE = ('test_cfg', 'pretrained', 'init_cfg')


@dataclass
class Group:
    """Configs that train the same network on batches of the same shape.

    Args:
        key (str): A hash of what they have in common.
        configs (list[str]): Their names.
        verdict (str): Why nothing is to be measured; '' where it is.
            Defaults to ''.
    """

    key: str
    configs: list[str] = field(default_factory=list)
    verdict: str = ''

    @property
    def name(self) -> str:
        """The first of the configs, which is measured for all."""
        return self.configs[0]


def list_names(words: Iterable[str]) -> Iterator[str]:
    """List configs by name.

    Args:
        words (Iterable[str]): Hosts, of which all configs are taken, and
            configs, by name or path.

    Yields:
        str: Names, in alphabetical order for each host.
    """
    for word in words:
        if word not in HOSTS:
            yield word
            continue
        folder = _find_folder(word)
        for path in sorted(folder.rglob('*.py')):
            name = path.relative_to(folder)
            if '_base_' not in name.parts:
                yield f'{word}::{name.as_posix()}'


def locate(name: str) -> str:
    """Find the file of a config.

    mmengine reads no name with a plus or a point in its folder.

    Args:
        name (str): A config's name, ``'mmseg::...'``, or its path.

    Returns:
        str: Its path.
    """
    host, _, path = name.rpartition('::')
    return str(_find_folder(host) / path) if host in HOSTS else name


def name_paths(text: str) -> str:
    """Write names of hosts' configs in place of their paths in a text."""
    for host in HOSTS:
        text = text.replace(f'{_find_folder(host)}/', f'{host}::')
    return text


def _find_folder(host: str) -> Path:
    return Path(get_installed_path(host), '.mim', 'configs')


def group_configs(names: Iterable[str]) -> list[Group]:
    """Read configs, and group those that are measured alike.

    Args:
        names (Iterable[str]): Names or paths of configs.

    Returns:
        list[Group]: The groups: first one of each family, then the others.
    """
    groups: dict[str, Group] = {}
    for name in names:
        key, verdict = _read_key(name)
        group = groups.setdefault(key, Group(key, verdict=verdict))
        group.configs.append(name)
    seen: dict[str, int] = {}
    rank: dict[str, int] = {}
    for group in groups.values():
        family = find_family(group.name)
        rank[group.key] = seen[family] = seen.get(family, -1) + 1
    return sorted(groups.values(), key=lambda group: rank[group.key])


def find_family(name: str) -> str:
    """Find the host and the folder of a config: its family."""
    return name.rpartition('/')[0]


def _read_key(name: str) -> tuple[str, str]:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            cfg = read_config(locate(name))
    except Exception as error:
        found = name_paths(f'{type(error).__name__}: {error}')
        return name, f'unreadable: {found}'[:500]
    if not trains_a_network(cfg):
        return 'trains nothing', 'trains nothing'
    loader = cfg.train_dataloader
    content = dict(
        scope=cfg.get('default_scope'),
        model=_drop_free(cfg.model.to_dict()),
        data_preprocessor=cfg.get('data_preprocessor'),
        batch_size=loader.get('batch_size'),
        size=_find_size(cfg),
        annotations=_find_annotations(loader),
        optim_wrapper=_drop_rates(cfg.optim_wrapper.to_dict()),
    )
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12], ''


def trains_a_network(cfg: Config) -> bool:
    """Tell whether a config trains: it has a model, data and an optimizer."""
    wanted = ('model', 'train_dataloader', 'optim_wrapper', 'train_cfg')
    return all(isinstance(cfg.get(key), dict) for key in wanted)


def _find_size(cfg: Config) -> Optional[tuple[int, int]]:
    try:
        return find_host(cfg).find_image_size(cfg)
    except ValueError:
        return None


def _find_annotations(loader: dict) -> list[str]:
    """Find the transforms that load labels, and the class of the data."""
    texts = []

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            kind = str(part.get('type'))
            if 'Annot' in kind or 'metainfo' in part or 'pipeline' in part:
                kept = {k: v for k, v in part.items() if k != 'pipeline'}
                kept = {k: v for k, v in kept.items() if 'root' not in k}
                texts.append(str(kept if 'Annot' in kind else kind))
            for value in part.values():
                walk(value)
        elif isinstance(part, (list, tuple)):
            for value in part:
                walk(value)

    walk(loader)
    return texts


def _drop_free(part: Any) -> Any:
    if isinstance(part, dict):
        return {k: _drop_free(v) for k, v in part.items() if k not in _FREE}
    if isinstance(part, (list, tuple)):
        return [_drop_free(value) for value in part]
    return part


def _drop_rates(wrapper: dict) -> dict:
    """Drop what changes the steps of an optimizer, but not its memory."""
    optimizer = wrapper.get('optimizer') or {}
    kept = {k: v for k, v in wrapper.items() if k != 'paramwise_cfg'}
    has_state = bool(optimizer.get('momentum'))
    return dict(kept, optimizer=[optimizer.get('type'), has_state])
