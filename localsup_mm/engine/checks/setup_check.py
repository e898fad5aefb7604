"""Checks of a model before its first iteration."""

import logging
from collections.abc import Mapping

from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from ...errors import SetupError
from ...hosts import find_head_names, reads_classes
from ...supervision import (
    LocalModule,
    find_supervised_backbones,
)
from ..model_wrapper import unwrap_model
from .batch_size import find_smallest_batch

__all__ = [
    'check_batches',
    'check_classes',
    'check_gradients',
    'check_model',
]


def check_model(model: nn.Module) -> None:
    """Check a model before its first iteration.

    Args:
        model (nn.Module): The model, wrapped for distribution or not.

    Raises:
        SetupError: If no backbone is locally supervised.
        TypeError: If the wrapper would leave gradients unsynchronized.
    """
    bare = unwrap_model(model)
    backbones = find_supervised_backbones(bare)
    if not backbones:
        raise SetupError(
            '`model.backbone` should be a LocalBackbone under a local '
            f'optim_wrapper, but got {type(bare).__name__} without one. Wrap '
            "the backbone, or set optim_wrapper=dict(type='OptimWrapper')."
        )
    is_safe = (
        getattr(model, 'allows_local_backward', False)
        or (
            isinstance(model, DistributedDataParallel)
            and model.find_unused_parameters
        )
        or not is_model_wrapper(model)
        or not any(len(b.local_supervision.local_modules) for b in backbones)
    )
    if not is_safe:
        reason = (
            'would leave their gradients unsynchronized'
            if isinstance(model, DistributedDataParallel)
            else 'expects no backward within the forward pass'
        )
        raise TypeError(
            '`model_wrapper_cfg` should be '
            "dict(type='LocalDistributedDataParallel') for local modules, "
            f'but got {type(model).__name__}, which {reason}. Set it in the '
            "config; for a FlexibleRunner set strategy=dict(type='DDPStrategy'"
            ", model_wrapper=dict(type='LocalDistributedDataParallel'))."
        )


def check_gradients(
    local_module: LocalModule, parameters: Mapping[nn.Parameter, str]
) -> None:
    """Check that a local backward reached all of its module.

    Args:
        local_module (LocalModule): One whose first backward is done.
        parameters (Mapping[nn.Parameter, str]): All that it owns, with
            their names.

    Raises:
        RuntimeError: If a trainable parameter of the backbone has no
            gradient. Parts of an aux net may depend on the labels: there it
            is a warning.
    """
    of_aux_nets = {id(p) for p in local_module.parameters()}
    left_out = {
        name: id(p) in of_aux_nets
        for p, name in parameters.items()
        if p.requires_grad and p.grad is None
    }
    if not left_out:
        return
    name = min(left_out, key=lambda name: left_out[name])
    message = (
        f'the local loss of {local_module.name} should reach all of its '
        f'parameters, but got no gradient for {name!r} and '
        f'{len(left_out) - 1} more.'
    )
    if all(left_out.values()):
        print_log(
            f'{message} This is right if that part of the aux net depends on '
            'the labels.',
            logger='current',
            level=logging.WARNING,
        )
    else:
        raise RuntimeError(
            f'{message} Replace activation_checkpointing in the config by '
            'with_cp=True of the backbone, and freeze what should not learn.'
        )


def check_classes(model: nn.Module, metainfo: dict) -> None:
    """Check that the heads have as many classes as the data set.

    With fewer, labels have no logit. More do no harm, and what the classes
    of some heads are is their own business: these are warnings.

    Args:
        model (nn.Module): The bare model.
        metainfo (dict): Meta information of the training data set.

    Raises:
        SetupError: If a head has fewer; it names the head and both numbers.
    """
    classes = metainfo.get('classes') or metainfo.get('CLASSES')
    if not classes or isinstance(classes, str):
        return
    # in panoptic segmentation a head has those of things, or of stuff
    kinds = [metainfo.get(f'{kind}_classes') for kind in ('thing', 'stuff')]
    expected = {len(found) for found in (classes, *kinds) if found}
    heads = {'aux_head', *find_head_names()}
    for name, module in model.named_modules():
        number = getattr(module, 'num_classes', None)
        # one of several heads is called by its place among them
        is_head = name.rstrip('.0123456789').rsplit('.', 1)[-1] in heads
        if not is_head or not isinstance(number, int) or number in expected:
            continue
        message = (
            f'`num_classes` of {name} should be '
            f'{" or ".join(map(str, sorted(expected)))}, the number of '
            f'classes of the data set, but got {number}.'
        )
        if number < len(kinds[0] or classes) and reads_classes(module):
            raise SetupError(f'{message} Set it in the config of that head.')
        print_log(
            f'{message} This is right if {type(module).__name__} predicts '
            'something else, or is to have more. Otherwise set it in the '
            'config of that head.',
            logger='current',
            level=logging.WARNING,
        )


def check_batches(model: nn.Module, loader: DataLoader) -> None:
    """Check that no batch is smaller than a head allows.

    Args:
        model (nn.Module): The bare model.
        loader (DataLoader): The loader of the training data.

    Raises:
        SetupError: If one is, the last of an epoch included.
    """
    smallest = max(
        (getattr(module, 'min_batch_size', 1) for module in model.modules()),
        default=1,
    )
    batch = find_smallest_batch(loader) or smallest
    if batch < smallest:
        raise SetupError(
            f'`train_dataloader` should have batches of at least {smallest} '
            f'images for the contrastive loss, but got one of {batch}: '
            f'{len(loader.sampler)} images in batches of '
            f'{loader.batch_size}. Change batch_size, or set drop_last=True.'
        )
