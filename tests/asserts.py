"""The invariants of the design, as functions of a case."""

import copy
import weakref

import torch
from cases import Case, build_model, make_batch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import nn
from torch.utils._pytree import tree_leaves

from localsup_mm import LocalOptimWrapper, LocalStep, lend_step
from localsup_mm.engine import prepare_model


def train_step(model: BaseModel, wrapper: OptimWrapper) -> dict:
    inputs, labels = make_batch(model)
    torch.manual_seed(3)  # drop path
    return model.train_step(dict(inputs=inputs, data_samples=labels), wrapper)


def wrap(
    model: nn.Module, cls: type = LocalOptimWrapper, **kwargs
) -> OptimWrapper:
    parameters = [p for p in model.parameters() if p.requires_grad]
    return cls(
        optimizer=torch.optim.SGD(parameters, lr=0.1, momentum=0.9), **kwargs
    )


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    return {
        n: p.grad for n, p in model.named_parameters() if p.grad is not None
    }


def assert_equal(found: dict, expected: dict) -> None:
    """The same tensors under the same names, bit by bit."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def assert_close(
    found: dict, expected: dict, rtol: float = 1e-4, atol: float = 1e-6
) -> None:
    """The same but for sums in another order."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name],
            value,
            rtol=rtol,
            atol=atol,
            msg=lambda m, n=name: f'{n}: {m}',
        )


class NoStep(torch.optim.SGD):
    """Keeps the gradients for a look at them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(
            [p for p in model.parameters() if p.requires_grad], lr=0.1
        )

    def step(self, closure=None) -> None:
        pass

    def zero_grad(self, set_to_none: bool = True) -> None:
        pass


def oracle_gradients(model: BaseModel) -> dict[str, torch.Tensor]:
    """Gradients as defined, without any of our hooks but on a whole graph.

    One forward pass without a single detach, but for sources of context: its
    hooks are the only ones that stay. A parameter belongs to the first
    boundary that depends on it, or else to the end; its gradient is that of
    the loss there.
    """
    model = copy.deepcopy(model)
    prepare_model(model)
    supervision = model.backbone.local_supervision
    names = {p: n for n, p in model.named_parameters() if p.requires_grad}
    # a host's norm_eval is not for what is attached
    supervision.local_modules.train()
    if hasattr(model.backbone, 'context_supply'):
        model.backbone.context_supply.train()
    feats = []
    for local_module in supervision.local_modules:
        # before context is added
        model.backbone.get_submodule(
            local_module.boundary.name
        ).register_forward_hook(
            lambda module, args, h: feats.append(h), prepend=True
        )
    inputs, labels = make_batch(model)
    del model.backbone.local_supervision
    for module in (*model.modules(), *supervision.modules()):
        if getattr(module, 'with_cp', False):
            module.with_cp = False  # autograd.grad does not go through it
    for module in model.modules():  # no hook that goes back or detaches h
        hooks = [
            *module._forward_hooks.items(),
            *module._forward_pre_hooks.items(),
        ]
        for key, hook in hooks:
            owner = getattr(getattr(hook, 'func', hook), '__self__', None)
            if owner is supervision:
                module._forward_hooks.pop(key, None)
                module._forward_pre_hooks.pop(key, None)
    torch.manual_seed(3)
    final = model.parse_losses(model(inputs, labels, mode='loss'))[0]
    gradients: dict[str, torch.Tensor] = {}
    taken: set = set()
    # now: a checkpointed stretch runs again in a backward, hooks and all
    first = tuple(feats)
    earlier = {
        i: local_module.boundary.to_feature_map(h, inputs).detach()
        for i, (local_module, h) in enumerate(
            zip(supervision.local_modules, first, strict=True)
        )
    }
    for h, local_module in zip(first, supervision.local_modules, strict=True):
        terms = local_module.loss(h, inputs, labels, earlier)
        loss = model.parse_losses(terms)[0]
        _take(gradients, taken, names, loss)
    _take(gradients, taken, names, final)
    return gradients


def _take(
    gradients: dict, taken: set, names: dict, loss: torch.Tensor
) -> None:
    left = [p for p in names if p not in taken]
    grads = torch.autograd.grad(
        loss, left, retain_graph=True, allow_unused=True
    )
    for parameter, grad in zip(left, grads, strict=True):
        if grad is not None:
            gradients[names[parameter]] = grad
            taken.add(parameter)


def assert_matches_joint_backward(case: Case) -> None:
    model = build_model(case)
    expected = oracle_gradients(model)
    train_step(model, LocalOptimWrapper(optimizer=NoStep(model)))
    assert_close(gradients(model), expected)


def assert_all_learn(case: Case) -> None:
    model = build_model(case)
    train_step(model, LocalOptimWrapper(optimizer=NoStep(model)))
    idle = [
        n
        for n, p in model.named_parameters()
        if p.requires_grad and p.grad is None
    ]
    plain = build_model(case, is_local=False)
    train_step(plain, OptimWrapper(NoStep(plain)))
    idle_in_host = [
        n
        for n, p in plain.named_parameters()
        if p.requires_grad and p.grad is None
    ]
    assert idle == idle_in_host


def assert_isolated(case: Case) -> None:
    model = build_model(case)
    prepare_model(model)
    partition = model.backbone.local_supervision.partition
    inputs, labels = make_batch(model)
    for k, names in enumerate(partition.parameters[:-1]):
        step = LocalStep(
            lambda module, losses, k=k: (
                model.parse_losses(losses)[0].backward()
                if module.name == f'local_{k}'
                else None
            )
        )
        model.zero_grad()
        with lend_step(model, step):
            model(inputs, labels, mode='loss')
        moved = {n for n, p in model.named_parameters() if p.grad is not None}
        prefix = f'backbone.local_supervision.local_modules.{k}.'
        own = {f'backbone.{n}' for n in names}
        assert own
        if hasattr(model.backbone, 'context_supply') and k > 0:
            encoders = model.backbone.context_supply.encoders[k - 1]
            own |= {
                f'backbone.context_supply.encoders.{k - 1}.{n}'
                for n, _ in encoders.named_parameters()
            }
        assert {n for n in moved if not n.startswith(prefix)} == own


def assert_matches_end_to_end(case: Case) -> None:
    """K=1 is the host, bit by bit, after two steps with momentum."""
    local = build_model(case, num_local_modules=1)
    plain = build_model(case, is_local=False)
    local_wrapper, plain_wrapper = wrap(local), wrap(plain, OptimWrapper)
    for _ in range(2):
        train_step(local, local_wrapper)
        train_step(plain, plain_wrapper)
    state = local.state_dict()
    assert state.keys() == plain.state_dict().keys()
    for name, value in plain.state_dict().items():
        assert torch.equal(state[name], value), name


def assert_eval_transparent(case: Case) -> None:
    local, plain = build_model(case), build_model(case, is_local=False)
    incompatible = local.load_state_dict(plain.state_dict(), strict=True)
    assert not incompatible.missing_keys
    batch = make_batch(local)
    for context in (torch.no_grad(), torch.enable_grad()):
        with context:
            expected = plain.eval()(*batch)
            found = local.eval()(*batch)
        for a, b in zip(
            tree_leaves(found), tree_leaves(expected), strict=True
        ):
            assert torch.equal(a, b)


def assert_leaves_nothing(case: Case) -> None:
    model = build_model(case)
    wrapper = wrap(model)
    before = _count_hooks(model)
    train_step(model, wrapper)
    assert not _holds_batch(model)
    assert _count_hooks(model) == before

    class Stop(Exception):
        pass

    def stop(*args) -> None:
        raise Stop

    handle = model.neck.register_forward_hook(stop)
    try:
        train_step(model, wrapper)
    except Stop:
        handle.remove()
    else:
        raise AssertionError('the neck did not run')
    assert not _holds_batch(model)
    assert _count_hooks(model) == before
    train_step(model, wrapper)


def _holds_batch(model: BaseModel) -> bool:
    context = getattr(model.backbone, 'context_supply', None)
    return model.backbone.local_supervision.step is not None or bool(
        context is not None and context.sources
    )


def _count_hooks(model: nn.Module) -> int:
    return sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks)
        for m in model.modules()
    )


def assert_frees_graphs(case: Case) -> None:
    """After a local backward nothing is saved for another, but in taps."""
    model = build_model(case)
    saved: weakref.WeakSet = weakref.WeakSet()
    numbers = []
    runs_tap: list[nn.Module] = []

    class Saved:
        def __init__(self, tensor: torch.Tensor) -> None:
            self.tensor = tensor
            if not runs_tap:
                saved.add(self)

    class Checked(LocalOptimWrapper):
        def local_backward(self, *args, **kwargs) -> torch.Tensor:
            numbers.append(len(saved))
            loss = super().local_backward(*args, **kwargs)
            assert not saved
            return loss

    for name in case.taps:
        tap = model.backbone.get_submodule(name)
        tap.register_forward_pre_hook(lambda m, args: runs_tap.append(m))
        tap.register_forward_hook(lambda m, args, out: runs_tap.clear())
    hooks = torch.autograd.graph.saved_tensors_hooks(
        Saved, lambda held: held.tensor
    )
    with hooks:
        train_step(model, wrap(model, Checked))
    assert any(numbers)


def assert_copy_is_independent(case: Case) -> None:
    """A deep copy (EMA) trains by its own hooks and leaves the first alone."""
    model = build_model(case)
    twin = copy.deepcopy(model)
    expected = {n: v.clone() for n, v in model.state_dict().items()}
    train_step(twin, wrap(twin))
    for name, value in model.state_dict().items():
        assert torch.equal(value, expected[name]), name
    train_step(model, wrap(model))
    for (name, a), b in zip(
        model.state_dict().items(), twin.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name
