"""Turning a released weights file into a checkpoint of our config."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..engine.checkpointing import (
    check_destination,
    read_weights,
    write_checkpoint,
)
from ..hosts import read_config
from ..simulation import build_host_model
from ..supervision.state_dict_keys import is_aux_net
from .releases import RELEASES, Release

__all__ = ['Converted', 'convert_file', 'convert_weights']


@dataclass(frozen=True)
class Converted:
    """Weights by the names of one of our models.

    Args:
        state_dict (dict[str, Tensor]): Those that the model has.
        unused (list[str]): Weights that it has no place for, by our names.
        not_found (list[str]): Weights of it that were not there.
        wrong (list[str]): Those of both that make it another network. Aux
            nets, counters of batches and parts of which the model has
            nothing do not.
        config (str): The model's config, as ``localsup_mm::...``.
    """

    state_dict: dict[str, Tensor]
    unused: list[str]
    not_found: list[str]
    wrong: list[str]
    config: str


def convert_file(
    method: str, src: str, dst: str, overwrite: bool = False
) -> Converted:
    """Convert a released file; the result is written whole or not at all.

    Args:
        method (str): A key of ``RELEASES``.
        src (str): The authors' file. No code that it may hold is run.
        dst (str): File to write.
        overwrite (bool): Whether it may exist. Defaults to False.

    Returns:
        Converted: The weights written, and those left out.

    Raises:
        FileNotFoundError: If ``src`` is missing.
        FileExistsError: If ``dst`` exists.
        ValueError: If ``src`` is corrupt, holds another network, or is the
            file to write.
    """
    check_destination(src, dst, overwrite)
    checkpoint = read_weights(src)
    weights = _find_weights(checkpoint)
    releases = [r for r in RELEASES[method] if r.sign in weights]
    tried = []
    for release in releases:
        for config in release.configs:
            model = build_host_model(read_config(config))
            tried.append(
                convert_weights(weights, release, model.state_dict(), config)
            )
            if not tried[-1].wrong:
                meta = checkpoint.get('meta')
                content = dict(
                    meta=dict(meta) if isinstance(meta, Mapping) else {},
                    state_dict=tried[-1].state_dict,
                )
                write_checkpoint(dst, content)
                return tried[-1]
    raise ValueError(_explain(method, src, weights, tried))


def convert_weights(
    weights: Mapping[str, Tensor],
    release: Release,
    own: Mapping[str, Tensor],
    config: str = '',
) -> Converted:
    """Convert released weights into those of a model.

    Args:
        weights (Mapping[str, Tensor]): By the authors' names.
        release (Release): How the authors name them.
        own (Mapping[str, Tensor]): The model's state dict.
        config (str): Its config. Defaults to ''.

    Returns:
        Converted: With what the model has a place for.
    """
    renamed = release.rename(weights)
    state_dict = {
        key: tensor
        for key, tensor in renamed.items()
        if key in own and own[key].shape == tensor.shape
    }
    unused = [key for key in renamed if key not in state_dict]
    not_found = [key for key in own if key not in state_dict]
    parts = {_find_part(key) for key in own}
    wrong = [
        key
        for key in dict.fromkeys([*not_found, *unused])
        if _find_part(key) in parts
        and not is_aux_net(key)
        and not key.endswith('num_batches_tracked')
    ]
    return Converted(state_dict, unused, not_found, wrong, config)


def _find_part(key: str) -> str:
    """Name the part of a network, e.g. ``backbone.layer1``."""
    return '.'.join(key.split('.')[:2])


def _find_weights(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    found = checkpoint.get('state_dict', checkpoint)
    return {
        key.removeprefix('module.'): value
        for key, value in found.items()
        if isinstance(value, Tensor)
    }


def _explain(
    method: str, src: str, weights: dict, tried: list[Converted]
) -> str:
    begin = (
        f'`src` should be a file that the authors of {method} released, but '
        f'got {src!r}'
    )
    end = f'Download one that configs/{method}/README.md names.'
    if not tried:
        signs = ' or '.join(repr(r.sign) for r in RELEASES[method])
        return f'{begin} without {signs} ({len(weights)} weights). {end}'
    closest = min(tried, key=lambda converted: len(converted.wrong))
    return (
        f'{begin}: the closest, {closest.config}, differs in '
        f'{closest.wrong[0]!r} and {len(closest.wrong) - 1} more weights. '
        f'{end}'
    )
