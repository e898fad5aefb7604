"""Submodules that a stretch can compute again, whole or part by part."""

from collections.abc import Callable, Iterable, Sequence

from torch import nn

from ..recomputation import can_recompute
from .module_calls import ModuleCall

__all__ = ['find_units']


def find_units(
    model: nn.Module, calls: Sequence[ModuleCall]
) -> dict[int, tuple[list[str], list[str]]]:
    """Find what can be computed again in each stretch.

    A unit is the largest submodule that lies in a stretch, leaves its input
    as it is, and is called nowhere else: a block, a neck, a head, the loss of
    a head. Its parts are the largest such submodules inside of it.

    Args:
        model (nn.Module): The model.
        calls (Sequence[ModuleCall]): The calls of its submodules.

    Returns:
        dict[int, tuple[list[str], list[str]]]: By position of the stretch
        the names of units, and of their parts.
    """
    inside: dict[ModuleCall | None, list[ModuleCall]] = {}
    stretches: dict[str, set[int | None]] = {}
    for call in calls:
        around = call.parent
        if around is not None and around.stretch is None:
            around = None
        inside.setdefault(around, []).append(call)
        stretches.setdefault(call.name, set()).add(call.stretch)

    def is_unit(call: ModuleCall) -> bool:
        return (
            call.is_pure
            and call.stretch is not None
            and len(stretches[call.name]) == 1
            and can_recompute(model, call.name)
        )

    units: dict[int, tuple[list[str], list[str]]] = {}
    for unit in _find_outermost(inside.get(None, ()), inside, is_unit):
        whole, parts = units.setdefault(unit.stretch or 0, ([], []))
        whole.append(unit.name)
        for part in _find_outermost(inside.get(unit, ()), inside, is_unit):
            parts.append(part.name)
    return {
        position: (list(dict.fromkeys(whole)), list(dict.fromkeys(parts)))
        for position, (whole, parts) in units.items()
    }


def _find_outermost(
    calls: Iterable[ModuleCall],
    inside: dict[ModuleCall | None, list[ModuleCall]],
    is_unit: Callable[[ModuleCall], bool],
) -> list[ModuleCall]:
    found = []
    for call in calls:
        if is_unit(call):
            found.append(call)
        else:
            found += _find_outermost(inside.get(call, ()), inside, is_unit)
    return found
