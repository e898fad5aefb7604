"""An explanation of the peak of a plan, and advice to lower it."""

from typing import Optional

from ..hosts import (
    find_checkpointing_layers,
    uses_activation_checkpointing,
)
from ..metering import format_bytes
from ..simulation import Workload
from .plan import Plan
from .stretches import StepProfile

__all__ = ['explain_peak', 'list_savings', 'note_savings']

# a plan that saves less, as a fraction of end to end, saves nothing
_LEAST = 0.02


def explain_peak(
    profile: StepProfile, plan: Plan, unit_of: Optional[int] = None
) -> str:
    """Say what sets the peak of a plan.

    Args:
        profile (StepProfile): The end-to-end iteration.
        plan (Plan): The plan.
        unit_of (int, optional): See :func:`format_bytes`. Defaults to None:
            that of end to end.

    Returns:
        str: A sentence.
    """
    static, gradients = (
        format_bytes(size, unit_of=unit_of or plan.end_to_end)
        for size in (profile.static, profile.gradients)
    )
    return (
        f'Parameters, buffers and optimizer state take {static}, gradients '
        f'{gradients}; local_{plan.busiest}, up to '
        f'{plan.find_end(plan.busiest)}, sets the peak.'
    )


def list_savings(workload: Workload, profile: StepProfile, plan: Plan) -> str:
    """Name settings that save memory and are not yet made.

    Args:
        workload (Workload): The training.
        profile (StepProfile): Its end-to-end iteration.
        plan (Plan): Its plan.

    Returns:
        str: The settings, each with its flag.
    """
    savings = []
    if not _has_few_activations(profile, plan):
        has_cp = find_checkpointing_layers(workload.model.backbone)
        uses_cp = uses_activation_checkpointing(workload.model)
        savings.append('fewer images (--batch)')
        if workload.autocast_dtype is None:
            savings.append('mixed precision (--amp)')
        if not any(stretch.ways for stretch in profile.stretches):
            savings.append('recomputation (--recompute any)')
        if has_cp and not uses_cp and not plan.recompute:
            savings.append('activation checkpointing (--with-cp)')
    if not workload.step_each_module and not workload.accumulates:
        savings.append('a step of each module (--step-each-module)')
    if not savings:
        savings = ['an optimizer with less state', 'a smaller network']
    *others, last = savings
    return f'{", ".join(others)} or {last}' if others else last


def _has_few_activations(profile: StepProfile, plan: Plan) -> bool:
    """Tell whether parameters set the peak, which cuts leave as they are."""
    return profile.static + profile.gradients > 2 / 3 * plan.peak_memory


def note_savings(
    workload: Workload,
    profile: StepProfile,
    plan: Plan,
    lowest: int,
    budget: Optional[int] = None,
) -> str:
    """Say so where a plan does not save memory, and what would.

    Args:
        workload (Workload): The training.
        profile (StepProfile): Its end-to-end iteration.
        plan (Plan): The plan.
        lowest (int): Predicted bytes of the plan with the lowest peak.
        budget (int, optional): The memory budget in bytes, if that was the
            goal. Defaults to None.

    Returns:
        str: A sentence or several; '' where nothing is to be said.
    """
    limit = (1 - _LEAST) * plan.end_to_end
    if plan.peak_memory <= limit:
        return ''
    helps = 'the lowest memory (--lowest)' if lowest <= limit else ''
    if budget is not None and plan.end_to_end <= budget:
        size = format_bytes(budget, unit_of=plan.end_to_end)
        advice = 'cuts save memory only where it is lower.'
        if helps:
            advice = f'to save memory, lower it or ask for {helps}.'
        return f'End to end is within the budget of {size}: {advice}'
    helps = helps or list_savings(workload, profile, plan)
    what = 'These cuts save no' if plan.boundaries else 'No cut saves'
    when = ''
    if _has_few_activations(profile, plan):
        when = ' Cuts save activations: they pay for more or larger images.'
    return (
        f'{what} memory. {explain_peak(profile, plan)}{when} What helps here '
        f'is {helps}.'
    )
