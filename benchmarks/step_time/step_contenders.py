"""The contenders that take turns in `benchmark_step.py`."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from mmengine.config import Config
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import SGD, Optimizer

from localsup_mm import LocalOptimWrapper
from localsup_mm.analysis import Method, to_end_to_end
from localsup_mm.analysis import build_model as build_method

AUX_NETS = 'backbone.local_supervision.local_modules.'


def build_model(cfg: Config, with_cp: bool = False) -> nn.Module:
    """Build in training mode, with plain batch norm and without dropout."""
    model = build_method(Method(cfg, with_cp))
    for module in model.modules():
        if isinstance(module, _DropoutNd):
            # random draws would differ between the contenders
            module.p = 0.0
    return model


def build_plain_model(
    cfg: Config, model: nn.Module, with_cp: bool = False
) -> nn.Module:
    """Build the host's model, with the weights of a local one."""
    plain = build_model(to_end_to_end(cfg), with_cp)
    plain.load_state_dict(
        {k: v for k, v in model.state_dict().items() if AUX_NETS not in k}
    )
    return plain


def build_optimizer(cfg: Config, *modules: nn.Module) -> SGD:
    settings = dict(cfg.optim_wrapper.optimizer)
    settings.pop('type')
    # that of a first iteration; a step takes as long with any
    settings['lr'] = 0.01
    return SGD([p for m in modules for p in m.parameters()], **settings)


@dataclass
class Contender:
    """One way to train, with weights of its own.

    Args:
        step (Callable): Trains on a batch.
        optimizer (Optimizer): What it steps.
        state_dict (Callable): Returns all weights, by their names in a
            locally supervised model.
    """

    step: Callable[[dict], None]
    optimizer: Optimizer
    state_dict: Callable[[], dict[str, Tensor]]


def build_contender(
    model: nn.Module, wrapper: type[OptimWrapper], cfg: Config
) -> Contender:
    """A model as the Runner trains it."""
    wrapped = wrapper(build_optimizer(cfg, model))
    return Contender(
        lambda batch: model.train_step(batch, wrapped),
        wrapped.optimizer,
        model.state_dict,
    )


def build_hand_written(
    step: type, model: nn.Module, local_modules: nn.ModuleList, cfg: Config
) -> Contender:
    """The host's plain model and aux nets, trained by a hand-written step."""
    optimizer = build_optimizer(cfg, model, local_modules)
    return Contender(
        step(model, local_modules, optimizer),
        optimizer,
        lambda: {
            **model.state_dict(),
            **local_modules.state_dict(prefix=AUX_NETS),
        },
    )


def build_contenders(
    cfg: Config, model: nn.Module, hand_written: ModuleType, others: list[str]
) -> dict[str, Contender]:
    """Build all that take turns, with the same weights.

    Args:
        cfg (Config): The whole config.
        model (nn.Module): The locally supervised model.
        hand_written (ModuleType): The steps written for its host.
        others (list[str]): Contenders besides these two.

    Returns:
        dict[str, Contender]: By name.

    Raises:
        ValueError: If no naive step is written for this host.
    """
    local_modules = model.backbone.local_supervision.local_modules
    contenders = {
        'hand-written': build_hand_written(
            hand_written.HandWrittenStep,
            build_plain_model(cfg, model),
            copy.deepcopy(local_modules),
            cfg,
        ),
        'ours': build_contender(model, LocalOptimWrapper, cfg),
    }
    for name in others:
        print(f'build {name}', flush=True)
        plain = build_plain_model(cfg, model, with_cp=name == 'with_cp')
        if name != 'naive':
            contenders[name] = build_contender(plain, OptimWrapper, cfg)
        elif hasattr(hand_written, 'NaiveStep'):
            contenders[name] = build_hand_written(
                hand_written.NaiveStep,
                plain,
                hand_written.add_skipped_aux_nets(
                    local_modules, cfg.model.backbone.local_modules
                ),
                cfg,
            )
        else:
            raise ValueError(
                "`--contenders` should be of 'e2e' and 'with_cp' for "
                f"{cfg.default_scope}, but got 'naive'. Leave it out."
            )
    return contenders
