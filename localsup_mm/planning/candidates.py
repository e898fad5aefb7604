"""The choice of boundaries that are worth planning with."""

from torch import nn

from ..errors import BoundaryError
from ..tracing import BackboneTrace

__all__ = ['find_candidates']


def find_candidates(
    backbone: nn.Module, trace: BackboneTrace
) -> tuple[str, ...]:
    """Choose one boundary for each place where a backbone can be cut.

    A trace has many names for a place: the conv, norm and activation at the
    end of a block, the block, and the stage that it ends. Boundaries with
    the same trainable weights (not norms and biases) before them are one
    place; it gets the boundary with the smallest output, of equals the
    outermost, of those the last. Boundaries inside a block are left out, and
    those behind the last weight: each local module has something to train.
    So are those where a class token has just come in: local losses read the
    tokens of the image, which have not seen it, and would not train it.

    Args:
        backbone (nn.Module): The backbone that was traced.
        trace (BackboneTrace): Its trace.

    Returns:
        tuple[str]: Names, in the order in which the modules run.

    Raises:
        BoundaryError: If there is no such place.
    """
    parameters = dict(backbone.named_parameters())
    weights = {n for n, p in parameters.items() if p.dim() > 1}
    places: dict[frozenset, tuple[tuple, str]] = {}
    for name, boundary in trace.boundaries.items():
        if _is_inside_block(backbone, name):
            continue
        try:
            modules = trace.partition([name]).parameters
        except ValueError:
            continue  # an output that this cut cannot be separated from
        before, after = (weights.intersection(names) for names in modules)
        if not before or not after:
            continue
        size = boundary.channels / boundary.stride**2
        rank = (size, name.count('.'))
        known = places.get(frozenset(before))
        if known is None or rank <= known[0]:
            places[frozenset(before)] = (rank, name)
    # Cuts behind frozen layers may lie side by side.
    chain: list[str] = []
    last: frozenset = frozenset()
    num_tokens = 0
    for place in sorted(places, key=len):
        if place > last:
            name = places[place][1]
            tokens_before = num_tokens
            num_tokens = trace.boundaries[name].num_extra_tokens or 0
            if num_tokens <= tokens_before:
                chain.append(name)
            last = place
    if not chain:
        raise BoundaryError(
            '`backbone` should have boundaries between trainable layers, '
            f'but got {type(backbone).__name__} without one: no block of '
            'it returns one Tensor that all later ones depend on, or what '
            'lies before is frozen. Train it end to end.'
        )
    return tuple(chain)


def _is_inside_block(backbone: nn.Module, name: str) -> bool:
    """Check whether a module around it computes more than its children."""
    parents = name.split('.')[:-1]
    return any(
        _is_block(backbone.get_submodule('.'.join(parents[: i + 1])))
        for i in range(len(parents))
    )


def _is_block(module: nn.Module) -> bool:
    is_container = isinstance(
        module, (nn.Sequential, nn.ModuleList, nn.ModuleDict)
    )
    return not is_container and any(
        not list(child.children()) and list(child.parameters())
        for child in module.children()
    )
