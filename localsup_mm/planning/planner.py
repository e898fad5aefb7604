"""The best boundaries for a memory budget or a number of local modules."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Optional, Union

from mmengine.model import revert_sync_batchnorm

from ..engine import prepare_model
from ..metering import format_bytes, parse_bytes
from ..simulation import StepCost, Workload, measure_step
from ..supervision import expand_local_modules, supervise_locally
from ..tracing import trace_backbone
from .aux_cost import measure_everywhere
from .candidates import find_candidates
from .memory_model import MemoryModel
from .search import Choice, find_choices
from .step_recorder import profile_step

__all__ = ['Plan', 'Planner']

# Above the lowest peak by so little, fewer MACs are worth more.
_TIE = 0.01

# What aux nets may add to the forward pass, and up to which K.
_CHEAP, _CHEAP_UP_TO = 0.06, 6


@dataclass(frozen=True)
class Plan:
    """Where to cut, and what it costs.

    Args:
        boundaries (tuple[str]): The K - 1 boundaries.
        module_peaks (tuple[int]): Bytes while each local module trains, as
            counted; the last with neck and heads.
        end_to_end (int): Bytes, of an end-to-end iteration.
        extra_macs (float): Multiply-accumulates that aux nets, and context,
            add to the network's forward pass, as a fraction.
    """

    boundaries: tuple[str, ...]
    module_peaks: tuple[int, ...]
    end_to_end: int
    extra_macs: float

    @property
    def peak_memory(self) -> int:
        """Bytes, of an iteration with them."""
        return max(self.module_peaks)

    def describe(self) -> str:
        """Say it in words, on several lines."""
        k = len(self.boundaries) + 1
        lines = [
            f'{k} local module{"s" if k > 1 else ""}: peak memory '
            f'{format_bytes(self.peak_memory)}, '
            f'{100 * self.peak_memory / self.end_to_end:.1f} % of end-to-end '
            f'in the same settings ({format_bytes(self.end_to_end)}), '
            f'{100 * self.extra_macs:.1f} % more MACs'
        ]
        ends = [*map(repr, self.boundaries), 'the heads']
        lines += [
            f'  local_{i} up to {end}: {format_bytes(peak)}'
            for i, (end, peak) in enumerate(zip(ends, self.module_peaks))
        ]
        return '\n'.join(lines)


class Planner:
    """Finds boundaries from one traced iteration on fake tensors.

    Memory and compute of any boundaries follow by arithmetic; what is chosen
    is measured exactly, on fake tensors as well.

    Args:
        workload (Workload): Of the plain model.
        aux_nets (dict | Sequence[dict]): ``decoder``, ``aux_neck``,
            ``aux_head`` and other arguments of :func:`expand_local_modules`.
            Of several, from large to small, those are taken that first add
            at most 6 % to the MACs of the forward pass in the plans of the
            lowest memory for K = 2 .. 6; else the last.
        context_supply (dict, optional): See :func:`supervise_locally`; it
            counts in what is measured, not in the choice. Defaults to None.
        trace_size (tuple[int, int], optional): ``input_size`` of
            :func:`trace_backbone`. Defaults to None.

    Attributes:
        aux_nets (dict): Those taken.

    Raises:
        ValueError: If the backbone cannot be cut.
    """

    def __init__(
        self,
        workload: Workload,
        aux_nets: Union[dict, Sequence[dict]],
        context_supply: Optional[dict] = None,
        trace_size: Optional[tuple[int, int]] = None,
    ) -> None:
        self.workload = workload
        self.context_supply = context_supply
        self.trace_size = trace_size
        backbone = workload.model.backbone
        trace = trace_backbone(backbone, trace_size)
        self.names = find_candidates(backbone, trace)
        if not self.names:
            raise ValueError(
                '`backbone` should have boundaries between trainable layers, '
                f'but got {type(backbone).__name__} without one: no block of '
                'it returns one Tensor that all later ones depend on, or what '
                'lies before is frozen. Train it end to end.'
            )
        self.profile = profile_step(workload, trace, self.names)
        places = [
            (trace.boundaries[name], features)
            for name, features in zip(self.names, self.profile.features[1:])
        ]
        sizes = [aux_nets] if isinstance(aux_nets, dict) else aux_nets
        for self.aux_nets in sizes:
            parts = dict(self.aux_nets)
            parts.pop('loss_weights', None)
            self.model = MemoryModel(
                self.profile,
                measure_everywhere(workload, places, parts),
                workload.step_each_module,
            )
            if len(sizes) == 1 or self._is_cheap():
                break

    def plan(
        self,
        num_local_modules: Optional[int] = None,
        memory_budget: Union[int, str, None] = None,
    ) -> Plan:
        """Choose boundaries.

        Args:
            num_local_modules (int, optional): K. Defaults to None: any.
            memory_budget (int | str, optional): Bytes, or e.g. ``'8GiB'``.
                Of the plans below it the one with the fewest MACs is taken.
                Defaults to None: the lowest peak memory, of those within 1 %
                the one with the fewest MACs.

        Returns:
            Plan: The boundaries, measured.

        Raises:
            ValueError: If there are not so many places to cut, or the
                budget is unreadable or too low; it says what the least is.
        """
        highest = len(self.names) + 1
        if num_local_modules is not None and not (
            isinstance(num_local_modules, int)
            and 1 <= num_local_modules <= highest
        ):
            raise ValueError(
                f'`num_local_modules` should be from 1 to {highest} for '
                f'{type(self.workload.model.backbone).__name__}, but got '
                f'{num_local_modules!r}. Choose one of those.'
            )
        choices = find_choices(self.model, num_local_modules)
        if memory_budget is not None:
            budget = parse_bytes(memory_budget, 'memory_budget')
            return self._plan_for_budget(choices, budget)
        return self._to_plan(self._to_names(self._find_lowest(choices)))

    def evaluate(self, boundaries: Sequence[str]) -> Plan:
        """Measure boundaries of one's own choice.

        Args:
            boundaries (Sequence[str]): Names of submodules, in order.

        Returns:
            Plan: They, measured.

        Raises:
            ValueError: If one is no cut; it names the closest.
        """
        return self._to_plan(tuple(boundaries))

    def _plan_for_budget(self, choices: list[Choice], budget: int) -> Plan:
        # from the fewest MACs on; those with the lowest peak in any case
        plans = []
        peak = max(budget, self.profile.static + choices[0].peak)
        for choice in reversed(self._find_within(choices, peak)):
            plan = self._to_plan(self._to_names(choice))
            if plan.peak_memory <= budget:
                return plan
            plans.append(plan)
        plan = min(plans, key=lambda plan: plan.peak_memory)
        floor = format_bytes(plan.peak_memory, round_up=True)
        raise ValueError(
            f'`memory_budget` should be at least {floor}, but got '
            f'{format_bytes(budget)}. {self._explain(plan)} Raise it, lower '
            'the batch size, or use cheaper aux nets, with_cp=True or AMP.'
        )

    def _find_within(self, choices: list[Choice], peak: int) -> list[Choice]:
        """Those with hardly more than some peak, the lowest first."""
        limit = (1 + _TIE) * peak - self.profile.static
        return [choice for choice in choices if choice.peak <= limit]

    def _find_lowest(self, choices: list[Choice]) -> Choice:
        lowest = self.profile.static + choices[0].peak
        return self._find_within(choices, lowest)[-1]

    def _to_names(self, choice: Choice) -> tuple[str, ...]:
        return tuple(self.names[place - 1] for place in choice.places)

    def _is_cheap(self) -> bool:
        """Whether the aux nets add little where there are few of them."""
        highest = min(_CHEAP_UP_TO, len(self.names) + 1)
        return all(
            self._find_lowest(find_choices(self.model, k)).macs
            <= _CHEAP * self.profile.macs
            for k in range(highest, 1, -1)
        )

    def _explain(self, plan: Plan) -> str:
        """What sets the peak of a plan."""
        k = plan.module_peaks.index(max(plan.module_peaks))
        end = plan.boundaries[k] if k < len(plan.boundaries) else 'the heads'
        return (
            'Parameters, buffers and optimizer state take '
            f'{format_bytes(self.profile.static)}, gradients '
            f'{format_bytes(self.profile.gradients[-1])}; local module {k} of'
            f' {len(plan.boundaries) + 1}, up to {end}, sets the peak.'
        )

    def _to_plan(self, boundaries: tuple[str, ...]) -> Plan:
        profile = self.profile
        if not boundaries:
            return Plan((), (profile.peak,), profile.peak, 0.0)
        cost = self._measure(boundaries)
        return Plan(
            boundaries,
            cost.module_peaks,
            profile.peak,
            cost.forward_macs / profile.macs - 1,
        )

    def _measure(self, boundaries: Sequence[str]) -> StepCost:
        model = copy.deepcopy(self.workload.model)
        supervise_locally(
            model.backbone,
            expand_local_modules(boundaries=boundaries, **self.aux_nets),
            self.trace_size,
            self.context_supply,
        )
        model = revert_sync_batchnorm(model)
        prepare_model(model)
        return measure_step(replace(self.workload, model=model))
