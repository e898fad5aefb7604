"""Recording what an end-to-end iteration needs."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from typing import Any, Optional

from torch import Tensor, nn

from ..replaced_method import replaced_method
from ..simulation import FakeStep, Workload
from ..tracing import BackboneTrace
from ..upstream import next_node_number
from .backward_recorder import BackwardRecorder
from .module_calls import CallRecorder, ModuleCall
from .saved_outputs import BackboneOutputs, find_holders, watching_saved
from .step_meter import StepMeter
from .storages import Storages, count_bytes, find_storages, find_tensors
from .stretches import StepProfile, Stretch

__all__ = ['profile_step']


def profile_step(
    workload: Workload, trace: BackboneTrace, names: Sequence[str]
) -> StepProfile:
    """Run an end-to-end iteration on fake tensors and look at it.

    Args:
        workload (Workload): The training that is recorded; its model is
            plain and has a ``backbone``.
        trace (BackboneTrace): Trace of the backbone.
        names (Sequence[str]): Candidate boundaries, in order.

    Returns:
        StepProfile: The memory of each stretch, and what runs there.
    """
    step = FakeStep(workload)
    recorder = _StepRecorder(step, trace, names)
    with ExitStack() as stack:
        recorder.attach(stack)
        stack.enter_context(step.running())
        stack.enter_context(recorder.meter.running())
        with watching_saved(step.model.backbone) as is_saved:
            loss = step.compute_loss()
        recorder.end_forward(loss, is_saved)
        step.wrapper.update_params(loss)
        return recorder.finish()


class _StepRecorder:
    """Hooks that write down what lives at each boundary.

    Behind the last one a stretch ends with each call of a submodule that
    lies in no other: the rest of the backbone, the neck, each head, its loss.

    Args:
        step (FakeStep): The iteration.
        trace (BackboneTrace): Trace of its backbone.
        names (Sequence[str]): Candidate boundaries, in order.

    Attributes:
        meter (StepMeter): It counts while the iteration runs.
    """

    def __init__(
        self, step: FakeStep, trace: BackboneTrace, names: Sequence[str]
    ) -> None:
        self.meter = StepMeter(step)
        self._step = step
        self._backbone = step.model.backbone
        self._stretches = [Stretch(name) for name in (*names, '')]
        self._partitions = [trace.partition([name]) for name in names]
        self._num_passed = 0
        self._calls = CallRecorder(
            step.model, lambda: self._num_passed, self._at_call_end
        )
        self._live_at_start = 0
        self._backward = BackwardRecorder(self.meter, self._stretches)
        # of modules, by their names
        self._inputs: dict[str, Storages] = {}
        self._outputs = BackboneOutputs(())
        # of autograd, behind each stretch
        self._node_numbers: list[int] = []
        self._is_saved: list[bool] = []
        # position of the stretch that ends with the neck, if there is one
        self._neck_end: Optional[int] = None

    def attach(self, stack: ExitStack) -> None:
        """Register the hooks.

        Args:
            stack (ExitStack): It removes them.
        """

        def keep(handle: Any) -> None:
            stack.callback(handle.remove)

        backbone, stretches = self._backbone, self._stretches
        keep(backbone.register_forward_pre_hook(self._at_start))
        for stretch, following in pairwise(stretches):
            module = backbone.get_submodule(stretch.name)
            hook = partial(self._at_end, stretch, following)
            keep(module.register_forward_hook(hook))
        pairs = zip(stretches, self._partitions)
        holders = [find_holders(s.name, p) for s, p in pairs]
        for name in {s.name for s in stretches[:-1]}.union(*holders):
            hook = partial(self._at_input, name)
            module = backbone.get_submodule(name)
            keep(module.register_forward_pre_hook(hook, with_kwargs=True))
        at_update = self._step.optimizer.register_step_pre_hook
        keep(at_update(lambda *args: self._backward.end()))
        self._calls.attach(stack)
        forward = partial(self._at_backbone_end, backbone.forward)
        stack.enter_context(replaced_method(backbone, 'forward', forward))

    def end_forward(self, loss: Tensor, is_saved: Sequence[bool]) -> None:
        """Note that the forward pass is over.

        Args:
            loss (Tensor): The loss of the iteration, ``()``.
            is_saved (Sequence[bool]): Whether neck and heads save the
                outputs of the backbone.
        """
        self._is_saved = list(is_saved)
        self._outputs.find_readers(loss, self._node_numbers)
        last = self._stretches[-1]
        last.forward_peak = max(last.forward_peak, self.meter.take_peak())
        self._backward.begin()

    def _at_start(self, module: nn.Module, args: tuple) -> None:
        self.meter.take_peak()
        self._live_at_start = self._stretches[0].live_before = self.meter.live

    def _at_input(
        self, name: str, module: nn.Module, args: tuple, kwargs: dict
    ) -> None:
        # not in a second run
        self._inputs.setdefault(name, find_storages((args, kwargs)))

    def _at_end(
        self,
        stretch: Stretch,
        following: Stretch,
        module: nn.Module,
        args: tuple,
        h: Tensor,
    ) -> None:
        if stretch.output:  # in a second run
            return
        self._num_passed += 1
        stretch.forward_peak = self.meter.take_peak()
        stretch.live_after = following.live_before = self.meter.live
        self._node_numbers.append(next_node_number())
        stretch.output = find_storages(h)
        stretch.features = (tuple(h.shape), h.dtype)
        self._backward.watch_gradients(h, self._num_passed - 1)
        # the caller of the module holds its input, a local module h
        self._backward.watch_ends((args, h), stretch)

    def _at_backbone_end(
        self, forward: Callable, *args: Any, **kwargs: Any
    ) -> Any:
        feats = forward(*args, **kwargs)
        self._outputs = BackboneOutputs(feats)
        return feats

    def _at_call_end(self, call: ModuleCall, result: Any) -> None:
        behind = len(self._partitions)
        if call.start == call.end:
            is_behind = call.start == behind
            call.stretch = len(self._stretches) - 1 if is_behind else call.end
        is_inner = call.parent is not None and call.parent.start == behind
        if call.start < behind or is_inner or not call.is_pure:
            return
        stretch, following = self._stretches[-1], Stretch()
        stretch.forward_peak = self.meter.take_peak()
        stretch.live_after = following.live_before = self.meter.live
        self._backward.watch_gradients(result, len(self._stretches) - 1)
        if call.name == 'neck':
            self._neck_end = len(self._stretches) - 1
        self._node_numbers.append(next_node_number())
        self._stretches.append(following)

    def finish(self) -> StepProfile:
        """Sum up, when the iteration is over."""
        update = self.meter.take_peak() - self._backward.live_at_end
        step = self._step
        trained = [p for p in step.model.parameters() if p.requires_grad]
        state = find_tensors(list(step.optimizer.state.values()))
        # where gradients accumulate they are static
        is_new = not step.workload.accumulates
        for stretch, partition in zip(self._stretches, self._partitions):
            own = map(self._backbone.get_parameter, partition.parameters[0])
            stretch.gradients = is_new * count_bytes(own)
            stretch.input = self._inputs[stretch.name]
            stretch.kept = self._outputs.find_kept(partition)
            stretch.closed = frozenset(partition.closed_outputs)
            for name in find_holders(stretch.name, partition):
                # a ModuleList around a boundary is not called
                stretch.kept.update(self._inputs.get(name, {}))
        for i, stretch in enumerate(self._stretches):
            stretch.sent = self._outputs.find_sent(i)
            stretch.saved = self._outputs.find_saved(
                self._partitions[-1], self._is_saved, i
            )
            for name in self._partitions[-1].taps:
                stretch.saved.update(self._inputs.get(name, {}))
        last = self._stretches[-1]
        last.gradients = is_new * count_bytes(trained)
        # the callers of backbone and neck hold nothing; neck and heads what
        # they save
        behind, num_cuts = self._partitions[-1], len(self._partitions)
        neck_end = self._neck_end or len(self._stretches)
        for i, stretch in enumerate(self._stretches[num_cuts:], num_cuts):
            is_free = i >= neck_end or stretch is last
            held = self._is_saved if is_free else None
            stretch.kept = self._outputs.find_kept(behind, held)
            for name in behind.taps:
                stretch.kept.update(self._inputs.get(name, {}))
        ratio = count_bytes(state) / count_bytes(trained)
        return StepProfile(
            self._stretches,
            self._calls.calls,
            static=self.meter.static,
            peak=self.meter.peak,
            macs=self.meter.forward_macs,
            step_macs=self.meter.work[0],
            moved=self.meter.work[1],
            state_ratio=ratio,
            live_at_start=self._live_at_start,
            update=update,
        )
