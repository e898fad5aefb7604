"""The hosts that the package works with."""

from collections.abc import Iterable
from typing import Optional, Union

from mmengine.config import Config

from .host import Host

__all__ = ['find_head_names', 'find_host', 'known_hosts', 'register_host']

_HOSTS: dict[str, Host] = {}


def register_host(cls: type[Host]) -> type[Host]:
    """Make a host known, as a decorator of its class.

    A module outside of this package that does so is imported by
    ``custom_imports`` of the configs of that host.

    Args:
        cls (type[Host]): The host's class.

    Returns:
        type[Host]: The same class.

    Example::

        @register_host
        class MMPose(Host):
            scope = 'mmpose'

            def make_data_sample(self, cfg, size): ...

            def make_aux_net(self, width, stride, num_classes): ...
    """
    _HOSTS[cls.scope] = cls()
    return cls


def known_hosts() -> dict[str, Host]:
    """List the hosts that are known.

    Returns:
        dict[str, Host]: The hosts by their scopes, in alphabetical order.
    """
    return dict(sorted(_HOSTS.items()))


def find_host(cfg: Union[Config, str]) -> Host:
    """Find the host of a config.

    Args:
        cfg (Config | str): The config, or its ``default_scope``. A config
            without a scope says by the type of its model, with the module,
            what its host is.

    Returns:
        Host: The host.

    Raises:
        ValueError: If it is unknown; it says how to add one.
    """
    scope = cfg if isinstance(cfg, str) else _find_scope(cfg)
    if scope in _HOSTS:
        return _HOSTS[scope]
    file = None if isinstance(cfg, str) else cfg.filename
    raise ValueError(
        f'`default_scope` should be one of {tuple(known_hosts())}, but got '
        f'{scope!r}{f" in {file!r}" if file else ""}. Choose a config of one '
        'of these hosts, or name in custom_imports a module that adds this '
        'one by register_host.'
    )


def _find_scope(cfg: Config) -> Optional[str]:
    """Find the scope of a config; one without says it by its model's type."""
    kind = (cfg.get('model') or {}).get('type')
    scope = cfg.get('default_scope')
    if scope is None and kind is not None:
        scope = getattr(kind, '__module__', str(kind)).split('.')[0]
    return scope


def find_head_names() -> Iterable[str]:
    """Find the names that hosts give to heads.

    Returns:
        Iterable[str]: Names of submodules with the classes of a data set.
    """
    return {name for host in _HOSTS.values() for name in host.head_names}
