"""mmengine's ``efficient_conv_bn_eval`` in a locally supervised backbone."""

from collections.abc import Collection

from mmengine.model.efficient_conv_bn_eval import (
    efficient_conv_bn_eval_graph_transform,
)
from torch import fx, nn

from ..supervision import find_supervised_backbones

__all__ = ['keep_hooks_in_traced_modules']


def keep_hooks_in_traced_modules(model: nn.Module) -> None:
    """Trace what mmengine has traced once more, without losing our hooks.

    ``efficient_conv_bn_eval=['backbone']`` in a config replaces the
    ``forward`` of these modules by that of a traced graph, in which a conv
    and the batch norm behind it are one. mmengine traces into submodules,
    whose hooks do not run any more. Here those with a hook of ours are called
    as they are, and their inside is traced on its own.

    Args:
        model (nn.Module): The bare model, changed in place.
    """
    hooked: set[nn.Module] = set()
    for backbone in find_supervised_backbones(model):
        partition = backbone.local_supervision.partition
        names = [*(b.name for b in partition.boundaries), *partition.taps]
        hooked.update(map(backbone.get_submodule, names))
    for module in list(model.modules()):
        forward = vars(module).get('forward')
        is_traced = isinstance(
            getattr(forward, '__self__', None), fx.GraphModule
        )
        if is_traced and not hooked.isdisjoint([*module.modules()][1:]):
            _trace(module, hooked)


class _Tracer(fx.Tracer):
    """It does not look into modules that have a hook."""

    def __init__(self, hooked: Collection[nn.Module]) -> None:
        super().__init__()
        self.hooked = hooked

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return m in self.hooked or super().is_leaf_module(
            m, module_qualified_name
        )


def _trace(module: nn.Module, hooked: Collection[nn.Module]) -> None:
    vars(module).pop('forward', None)
    inside = [m for m in module.modules() if m in hooked and m is not module]
    traced = fx.GraphModule(module, _Tracer(inside).trace(module))
    # what lies between keeps a conv with a hook apart from a batch norm
    traced.add_submodule('apart', nn.Identity())
    modules = dict(traced.named_modules())
    for node in traced.graph.nodes:
        if node.op == 'call_module' and modules[node.target] in inside:
            with traced.graph.inserting_after(node):
                apart = traced.graph.call_module('apart')
            node.replace_all_uses_with(apart)
            apart.args = (node,)
    efficient_conv_bn_eval_graph_transform(traced)
    module.forward = traced.forward
    for part in inside:
        if [*part.children()]:
            _trace(part, hooked)
