"""Memory and MACs of torch's `activation_memory_budget`, beside ours.

A training step is compiled by `torch.compile` with the partitioner that reads
the budget; its graphs run op by op on a CPU, so that living tensors and
multiply-accumulates can be counted. What is between graphs, where a host's
code breaks them, is not counted; their number is said. Where a network does
not compile, the error is said.

    python benchmarks/activation_memory_budget.py --json budget.json
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

import torch
from mmengine.logging import MMLogger
from torch import Tensor, nn

from localsup_mm.analysis import (
    Method,
    build_model,
    derive_methods,
    read_comparable,
)
from localsup_mm.analysis.synthetic_batch import make_batch
from localsup_mm.metering import LiveBytes, MacCounter

BLOCKS = ['backbone.stages.*.blocks.*']


class Network(NamedTuple):
    """A network, a small batch, and what we recompute of it."""

    config: str
    batch: int
    size: tuple[int, int]
    recompute: dict


NETWORKS = {
    'resnet110': Network(
        'localsup_mm::e2e/resnet110_cifar10.py',
        8,
        (32, 32),
        dict(full=['backbone.layer*.*']),
    ),
    'deit-base': Network(
        'localsup_mm::e2e/deit-base_imagenet.py',
        2,
        (224, 224),
        dict(full=['backbone.layers.*']),
    ),
    'deeplabv3_r101': Network(
        'localsup_mm::e2e/deeplabv3_r101_cityscapes.py',
        2,
        (64, 128),
        dict(full=['backbone.layer*.*'], by_image=['*_head.loss_by_feat']),
    ),
    'upernet_swin-t': Network(
        'localsup_mm::e2e/upernet_swin-t_ade20k.py',
        2,
        (128, 128),
        dict(
            full=BLOCKS,
            cheap=['decode_head'],
            early=['*_head.loss'],
            by_image=['*_head.loss_by_feat'],
        ),
    ),
    'mask-rcnn_r50': Network(
        'localsup_mm::e2e/mask-rcnn_r50_coco.py',
        2,
        (128, 192),
        dict(full=['backbone.layer*.*']),
    ),
    'segformer_mit-b2': Network(
        'mmseg::segformer/segformer_mit-b2_8xb2-160k_ade20k-512x512.py',
        2,
        (128, 128),
        dict(full=['backbone.layers.*.1.*'], cheap=['decode_head']),
    ),
    'retinanet_r50': Network(
        'localsup_mm::e2e/retinanet_r50_coco.py',
        2,
        (128, 192),
        dict(full=['backbone.layer*.*']),
    ),
    'mask2former_r50': Network(
        'mmseg::mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py',
        2,
        (128, 256),
        dict(
            full=['backbone.layer*.*'],
            cheap=[
                'decode_head.pixel_decoder',
                'decode_head.transformer_decoder.layers.*',
            ],
        ),
    ),
}


class CountedGraphs:
    """A backend of `torch.compile` whose graphs count what they do."""

    def __init__(self, model: nn.Module) -> None:
        self.live = LiveBytes(model)
        self.counter = MacCounter()
        self.num_graphs = 0

    def make_backend(self) -> Callable:
        import torch._inductor.lowering  # noqa: F401
        from functorch.compile import min_cut_rematerialization_partition
        from torch._dynamo.backends.common import aot_autograd
        from torch._inductor.decomposition import select_decomp_table

        return aot_autograd(
            fw_compiler=self._compile_forward,
            bw_compiler=self._compile,
            decompositions=select_decomp_table,
            partition_fn=min_cut_rematerialization_partition,
        )

    def _compile_forward(self, graph: Any, inputs: Any) -> Callable:
        self.num_graphs += 1
        return self._compile(graph, inputs)

    def _compile(self, graph: Any, inputs: Any) -> Callable:
        from torch.fx.graph import _BoxedCodeGen

        # takes its arguments in a list and frees each behind its last use
        graph.graph.set_codegen(_BoxedCodeGen())
        graph.recompile()

        def run(args: list) -> Any:
            with self.live, self.counter:
                return graph.forward(args)

        run._boxed_call = True  # type: ignore[attr-defined]
        return run


def compute_loss(model: nn.Module, data: dict) -> Tensor:
    losses = model(**data, mode='loss')
    return model.parse_losses(losses)[0]


def run_eagerly(network: Network, method: Method) -> dict:
    """Count a forward pass and its backward as a host runs them."""
    model, data = build(network, method)
    compute_loss(model, data).backward()
    model.zero_grad()
    with LiveBytes(model) as live, MacCounter() as counter:
        compute_loss(model, data).backward()
    return dict(peak_memory=live.peak, step_macs=counter.total)


def run_compiled(network: Network, method: Method, budget: float) -> dict:
    """Count the same, compiled for a budget, or say why it does not."""
    begin = time.monotonic()
    torch._dynamo.reset()
    torch._functorch.config.activation_memory_budget = budget
    model, data = build(network, method)
    graphs = CountedGraphs(model)
    compiled = torch.compile(compute_loss, backend=graphs.make_backend())
    try:
        compiled(model, data).backward()
        model.zero_grad()
        graphs.live = LiveBytes(model)
        graphs.counter = MacCounter()
        compiled(model, data).backward()
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        # the first one names the backend
        text = ' '.join(lines[:3])[:300]
        return dict(error=f'{type(error).__name__}: {text}')
    return dict(
        peak_memory=graphs.live.peak,
        step_macs=graphs.counter.total,
        num_graphs=graphs.num_graphs,
        seconds=round(time.monotonic() - begin),
    )


def build(network: Network, method: Method) -> tuple[nn.Module, dict]:
    torch.manual_seed(0)
    model = build_model(method)
    batch = make_batch(method.cfg, network.batch, network.size, 3)
    return model, model.data_preprocessor(batch, True)


def measure(network: Network, budgets: Sequence[float]) -> dict[str, dict]:
    cfg = read_comparable(network.config, network.size)
    e2e = derive_methods(cfg)['e2e']
    found = {'e2e': run_eagerly(network, e2e)}
    cfg.recompute = network.recompute
    found['recompute'] = run_eagerly(network, Method(cfg))
    for budget in budgets:
        found[f'budget {budget}'] = run_compiled(network, e2e, budget)
    return found


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--networks', nargs='+', choices=NETWORKS, default=[*NETWORKS]
    )
    parser.add_argument(
        '--budgets', type=float, nargs='+', default=[1.0, 0.7, 0.5, 0.3]
    )
    parser.add_argument('--json', type=Path)
    args = parser.parse_args(argv)
    warnings.filterwarnings('ignore')
    MMLogger.get_current_instance().setLevel('WARNING')
    results = {}
    for name in args.networks:
        results[name] = found = measure(NETWORKS[name], args.budgets)
        e2e = found['e2e']
        for way, cost in found.items():
            text = cost.get('error') or (
                f'{cost["peak_memory"] / 2**20:.0f} MiB '
                f'({cost["peak_memory"] / e2e["peak_memory"]:.0%}), MACs '
                f'{cost["step_macs"] / e2e["step_macs"] - 1:+.1%}, '
                f'{cost.get("num_graphs", "no")} graphs'
            )
            print(f'{name}, {way}: {text}', flush=True)
        if args.json is not None:
            args.json.write_text(json.dumps(results, indent=1) + '\n')


if __name__ == '__main__':
    main()
