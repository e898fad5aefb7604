"""The best plan for a memory budget or a number of local modules."""

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Optional, Union

from mmengine.model import revert_sync_batchnorm

from ..engine import prepare_model
from ..metering import format_bytes, parse_bytes
from ..recomputation import recompute_modules, shorten
from ..simulation import StepCost, Workload, measure_step
from ..supervision import expand_local_modules, supervise_locally
from .advice import explain_peak, list_savings, note_savings
from .memory_model import MemoryModel
from .plan import Plan
from .search import (
    BOUNDARY_TIME,
    TIE,
    Choice,
    find_choices,
    keep_lowest,
)
from .stretches import StepProfile

__all__ = ['Planner']

_LOGGER = logging.getLogger(__name__)

# Predicted peaks are so near to measured ones, as a fraction: always, and
# where another one is as good as measured.
_TOLERANCE = 0.02
_EXACT = 0.002


@dataclass(frozen=True)
class Planner:
    """A planner that finds the best boundaries of one network.

    Beside boundaries it chooses what is computed again in the backward, if
    the stretches of its profile have ``ways``. Memory and time of any choice
    are predicted by arithmetic; the best few are measured on fake tensors,
    and the best one of those is taken. :func:`make_planner` makes a planner
    from a workload.

    Args:
        workload (Workload): The training that is planned for; its model is
            plain.
        memory_model (MemoryModel): Model of the memory that boundaries need.
        aux_nets (dict): Arguments of :func:`expand_local_modules` other than
            the boundaries.
        context_supply (dict, optional): See :func:`supervise_locally`.
            Defaults to None.
        trace_size (tuple[int, int], optional): ``input_size`` of
            :func:`trace_backbone`. Defaults to None.
        boundary_time (float): The price of a boundary beside its aux nets,
            see :func:`find_choices`. Defaults to 0.01.
    """

    workload: Workload
    memory_model: MemoryModel
    aux_nets: dict
    context_supply: Optional[dict] = None
    trace_size: Optional[tuple[int, int]] = None
    boundary_time: float = BOUNDARY_TIME

    @property
    def profile(self) -> StepProfile:
        """The end-to-end iteration."""
        return self.memory_model.profile

    @property
    def names(self) -> tuple[str, ...]:
        """The candidate boundaries, in the order in which they run."""
        return self.profile.names

    def plan(
        self,
        num_local_modules: Optional[int] = None,
        memory_budget: Union[int, str, None] = None,
    ) -> Plan:
        """Choose boundaries.

        Args:
            num_local_modules (int, optional): K. Defaults to None: any.
            memory_budget (int | str, optional): Bytes, or e.g. ``'8GiB'``.
                Of the plans within it the fastest one is taken. Defaults to
                None: the lowest peak memory, of those within 1 % the fastest
                one. A boundary counts as some time, ``boundary_time``.

        Returns:
            Plan: The boundaries, measured.

        Raises:
            ValueError: If there are not so many places to cut, or the
                budget is unreadable or too low; it says what the least is.
        """
        if num_local_modules is not None:
            self.check_number(num_local_modules)
        budget = None
        if memory_budget is not None:
            budget = parse_bytes(memory_budget, 'memory_budget')
        choices = self.find_choices(num_local_modules, budget)
        if budget is None:
            plan = self._plan_lowest(choices)
        else:
            plan = self._plan_for_budget(choices, budget)
        if num_local_modules == 1:
            return plan
        others = self.find_choices() if num_local_modules else []
        lowest = min(choice.peak for choice in [*choices, *others])
        note = note_savings(self.workload, self.profile, plan, lowest, budget)
        return replace(plan, note=note)

    def check_number(self, num_local_modules: int) -> None:
        """Check that there are enough places to cut.

        Args:
            num_local_modules (int): K.

        Raises:
            ValueError: If there are not.
        """
        highest = len(self.names) + 1
        if not (
            isinstance(num_local_modules, int)
            and 1 <= num_local_modules <= highest
        ):
            raise ValueError(
                f'`num_local_modules` (-k) should be from 1 to {highest} for '
                f'{type(self.workload.model.backbone).__name__}, but got '
                f'{num_local_modules!r}. Choose one of those.'
            )

    def evaluate(
        self,
        boundaries: Sequence[str],
        recompute: Optional[Mapping[str, Sequence[str]]] = None,
    ) -> Plan:
        """Measure a choice of boundaries, and of what is computed again.

        Args:
            boundaries (Sequence[str]): Names of submodules, in order.
            recompute (Mapping[str, Sequence[str]], optional): See
                :func:`recompute_modules`. Defaults to None: nothing.

        Returns:
            Plan: The same, with their measured costs.

        Raises:
            BoundaryError: If one is no cut; it names the closest.
            ValueError: See :func:`recompute_modules`.
        """
        profile = self.profile
        names = {
            kind: list(group) for kind, group in (recompute or {}).items()
        }
        if not boundaries and not recompute:
            return Plan((), (profile.peak,), profile.peak, 0.0)
        many = f'{len(boundaries) + 1} local modules' if boundaries else 'one'
        _LOGGER.info(f'a plan of {many}')
        cost = self._measure(boundaries, names)
        time = (
            cost.step_macs + self.memory_model.macs_per_byte * cost.moved_bytes
        )
        return Plan(
            tuple(boundaries),
            cost.module_peaks,
            profile.peak,
            cost.forward_macs / profile.macs - 1,
            names,
            time / self.memory_model.step_time - 1,
            cost.step_macs / profile.step_macs - 1,
        )

    def evaluate_choice(self, choice: Choice) -> Plan:
        """Measure what the search has found.

        Args:
            choice (Choice): Boundaries and what is computed again.

        Returns:
            Plan: The same, with their measured costs.
        """
        chosen = self.profile.find_recompute(choice.ways)
        for kind, names in chosen.items():
            chosen[kind] = shorten(self.workload.model, names)
        return self.evaluate(
            [self.names[i - 1] for i in choice.places], chosen
        )

    def find_choices(
        self,
        num_local_modules: Optional[int] = None,
        memory_budget: Optional[int] = None,
    ) -> list[Choice]:
        """Predict the front of memory against time.

        Args:
            num_local_modules (int, optional): K. Defaults to None: any.
            memory_budget (int, optional): Bytes. Defaults to None: any.

        Returns:
            list[Choice]: See :func:`find_choices`. Those far above the budget
            are left out, unless there are no others.
        """
        find = partial(
            find_choices,
            self.memory_model,
            num_local_modules,
            self.boundary_time,
        )
        if memory_budget is None:
            return find()
        return find(round((1 + _TOLERANCE) * memory_budget)) or find()

    def _plan_lowest(self, choices: list[Choice]) -> Plan:
        """Measure the best few, and take the lowest or a faster one."""
        plans = self._measure_lowest(choices, (TIE, 0.0, _TOLERANCE))
        limit = (1 + TIE) * min(plan.peak_memory for plan in plans)
        return min(
            (plan for plan in plans if plan.peak_memory <= limit),
            key=self._find_cost,
        )

    def _measure_lowest(
        self, choices: list[Choice], margins: Sequence[float]
    ) -> list[Plan]:
        """Measure the fastest of those within margins of the lowest peak.

        It ends with the first one whose prediction is right.
        """
        fastest = [keep_lowest(choices, margin)[-1] for margin in margins]
        plans = []
        for choice in dict.fromkeys(fastest):
            plan = self.evaluate_choice(choice)
            plans.append(plan)
            if abs(plan.peak_memory - choice.peak) <= _EXACT * choice.peak:
                break
        return plans

    def _plan_for_budget(self, choices: list[Choice], budget: int) -> Plan:
        """Measure from the lowest cost on until one is within the budget.

        By each that is not, the predictions are corrected. Those with the
        lowest peak are tried in any case.
        """
        limit: float = (1 + _TOLERANCE) * budget
        while within := [c for c in choices if c.peak <= limit]:
            choice = within[-1]
            plan = self.evaluate_choice(choice)
            if plan.peak_memory <= budget:
                return plan
            corrected = budget * choice.peak / plan.peak_memory
            limit = min(corrected, choice.peak - 1)
        plans = self._measure_lowest(choices, (0.0, TIE, _TOLERANCE))
        low = [plan for plan in plans if plan.peak_memory <= budget]
        if low:
            return min(low, key=self._find_cost)
        plan = min(plans, key=lambda plan: plan.peak_memory)
        floor = format_bytes(plan.peak_memory, True, unit_of=budget)
        savings = list_savings(self.workload, self.profile, plan)
        raise ValueError(
            f'`memory_budget` (--memory-budget) should be at least {floor}, '
            f'but got {format_bytes(budget)}. '
            f'{explain_peak(self.profile, plan, budget)} Raise it, or turn to '
            f'{savings}.'
        )

    def _find_cost(self, plan: Plan) -> float:
        return plan.extra_time + self.boundary_time * len(plan.boundaries)

    def _measure(
        self, boundaries: Sequence[str], recompute: Mapping[str, Sequence[str]]
    ) -> StepCost:
        model = copy.deepcopy(self.workload.model)
        supervise_locally(
            model.backbone,
            expand_local_modules(boundaries=boundaries, **self.aux_nets),
            self.trace_size,
            self.context_supply if boundaries else None,
        )
        model = revert_sync_batchnorm(model)
        prepare_model(model)
        recompute_modules(model, recompute)
        return measure_step(replace(self.workload, model=model))
