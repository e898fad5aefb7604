"""Finding the local modules of a model, and what each of them trains."""

from torch import nn

from .local_module import LocalModule
from .local_supervision import LocalSupervision
from .state_dict_keys import AUX_NETS, CONTEXT

__all__ = ['find_supervised_backbones', 'local_parameters']


def find_supervised_backbones(model: nn.Module) -> list[nn.Module]:
    """Find the locally supervised backbones of a model.

    Args:
        model (nn.Module): The model, wrapped for distribution or not; it may
            be such a backbone itself.

    Returns:
        list[nn.Module]: Each has a ``local_supervision``.
    """
    return [
        module
        for module in model.modules()
        if isinstance(getattr(module, AUX_NETS, None), LocalSupervision)
    ]


def local_parameters(
    model: nn.Module,
) -> dict[LocalModule, list[nn.Parameter]]:
    """List what each local module but the last owns, aux nets included.

    Context encoders at a boundary belong to the local module behind it.
    Frozen parameters of aux nets are listed, too: ``requires_grad`` counts
    at the moment of a backward, not of this call.

    Args:
        model (nn.Module): A model with a locally supervised backbone.

    Returns:
        dict[LocalModule, list[nn.Parameter]]: In the order of the modules.
    """
    result = {}
    for backbone in find_supervised_backbones(model):
        supervision = backbone.local_supervision
        context = getattr(backbone, CONTEXT, None)
        for k, local_module in enumerate(supervision.local_modules):
            parts = [local_module]
            if context is not None and k > 0:
                parts.append(context.encoders[k - 1])
            names = supervision.partition.parameters[k]
            own = [backbone.get_parameter(name) for name in names]
            own += [p for part in parts for p in part.parameters()]
            result[local_module] = own
    return result
