"""How much faster are K processes that train one local module each?

    OMP_NUM_THREADS=1 python benchmarks/module_parallel.py measure
    OMP_NUM_THREADS=1 python benchmarks/module_parallel.py simulate

``measure`` trains a CIFAR ResNet with K = 2 on made-up images in four ways,
in turns: one process, two processes of a local module each, two processes of
half the batch each, and two that know nothing of each other, each with a whole
batch and so two iterations in one, which says what the machine has to give.
Each process has one thread. A turn is timed in each process from its third
iteration to its last, and the slower one counts. Besides wall-clock time it
takes the CPU time of the busier process, with all its threads, which other
programs on the machine change little. ``simulate`` takes the CPU time of each
local module, and counts the bytes that go from one to the next. Process k is
done with batch i when it has done batch i - 1, the features of batch i have
come, and its own time has passed; a network sends one message after the other.
From that follows the time of an iteration of K processes.

Boundaries are those of ``localsup plan --balance time``, or are given.
"""

import argparse
import copy
import json
import os
import statistics
import time
from functools import partial
from itertools import pairwise
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.registry import DefaultScope

from localsup_mm import LocalOptimWrapper, LocalStep
from localsup_mm.analysis import make_batch
from localsup_mm.engine import (
    LocalDistributedDataParallel,
    ModuleParallel,
    prepare_model,
)
from localsup_mm.engine.module_parallel.handover import Handover
from localsup_mm.engine.module_parallel.packet import pack, unpack
from localsup_mm.hosts import read_training
from localsup_mm.planning import find_aux_nets, make_planner, plan_balanced
from localsup_mm.simulation import build_host_model, read_workload
from localsup_mm.supervision import expand_local_modules, supervise_locally

WAYS = ('one process', 'module parallel', 'data parallel', 'apart')
FILL = 2  # iterations of each turn that fill the pipe, not timed
NETWORKS = {'100 Mbit/s': 1e8 / 8, '1 Gbit/s': 1e9 / 8, '10 Gbit/s': 1e10 / 8}


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('what', choices=['measure', 'simulate'])
    parser.add_argument(
        '--config', default='configs/greedy/resnet32_k2_cifar10.py'
    )
    parser.add_argument('--boundaries', nargs='+', metavar='NAME')
    parser.add_argument('--num-local-modules', '-k', type=int, nargs='+')
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--size', type=int, default=32)
    parser.add_argument('--iterations', type=int, default=10)
    parser.add_argument('--rounds', type=int, default=5)
    args = parser.parse_args()
    args.k = args.num_local_modules or (
        [2] if args.what == 'measure' else [2, 4, 8, 16]
    )
    k = len(args.boundaries) + 1 if args.boundaries else args.k[0]
    if args.what == 'measure' and (k, len(args.k)) != (2, 1):
        parser.error(f'`measure` has two processes, but got {k} local modules')
    return args


def plan(cfg, args):
    """Boundaries by K."""
    if args.boundaries:
        return {len(args.boundaries) + 1: args.boundaries}
    size = (args.size, args.size)
    workload = read_workload(cfg, args.batch, size)
    planner = make_planner(workload, find_aux_nets(cfg, size))
    plans = {k: plan_balanced(planner, k) for k in args.k}
    for found in plans.values():
        print(f'{found.describe().splitlines()[-1]}', flush=True)
    return {k: found.boundaries for k, found in plans.items()}


def build(cfg, boundaries, size):
    torch.manual_seed(0)
    model = build_host_model(cfg, is_local=False)
    supervise_locally(
        model.backbone,
        expand_local_modules(
            boundaries=boundaries, **find_aux_nets(cfg, (size, size))
        ),
    )
    return model.train()


def wrap(model, **kwargs):
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    return LocalOptimWrapper(optimizer=optimizer, **kwargs)


def measure(rank, args, cfg, boundaries, store):
    torch.set_num_threads(1)
    dist.init_process_group(
        'gloo', init_method=f'file://{store}', rank=rank, world_size=2
    )
    torch.manual_seed(0)
    batch = make_batch(cfg, args.batch, (args.size, args.size))
    half = {key: value[rank::2] for key, value in batch.items()}
    whole = build(cfg, boundaries, args.size)
    models = {
        WAYS[0]: whole,
        WAYS[1]: ModuleParallel(copy.deepcopy(whole)),
        WAYS[2]: LocalDistributedDataParallel(copy.deepcopy(whole)),
        WAYS[3]: copy.deepcopy(whole),
    }
    batches = {
        WAYS[0]: batch,
        WAYS[1]: batch if rank == 0 else None,
        WAYS[2]: half,
        WAYS[3]: batch,
    }
    wrappers = {way: wrap(model) for way, model in models.items()}
    seconds = {way: [] for way in WAYS}
    cpu_seconds = {way: [] for way in WAYS}
    for i in range(-1, args.rounds):
        for way in WAYS if i % 2 == 0 else reversed(WAYS):
            dist.barrier()
            # the first round warms up
            for j in range(FILL + (args.iterations if i >= 0 else 1)):
                if j == FILL:
                    begin = time.perf_counter(), time.process_time()
                if rank == 0 or way != WAYS[0]:
                    models[way].train_step(batches[way], wrappers[way])
            end = time.perf_counter(), time.process_time()
            own = [b - a for a, b in zip(begin, end)]
            used: list = [None, None]
            dist.all_gather_object(used, own)
            wall, cpu = (max(both) for both in zip(*used))
            if i >= 0:
                number = args.iterations * (2 if way == WAYS[3] else 1)
                cpu_seconds[way].append(cpu / number)
                seconds[way].append(wall / number)
            if rank == 0:
                print(
                    f'round {i}: {way} {wall:.1f} s, '
                    f'CPU {used[0][1]:.1f} s and {used[1][1]:.1f} s',
                    flush=True,
                )
    models[WAYS[1]].eval()
    if rank == 0:
        found = models[WAYS[1]].module.state_dict()
        expected = whole.state_dict()
        report = dict(
            boundaries=list(boundaries),
            same_weights=all(found[n].equal(v) for n, v in expected.items()),
            load=os.getloadavg()[0],
        )
        for name, found in ('wall', seconds), ('CPU', cpu_seconds):
            for way in WAYS:
                median = statistics.median(found[way])
                report[f'{name} seconds, {way}'] = round(median, 3)
            for way in WAYS[1:]:
                ratios = [a / b for a, b in zip(found[WAYS[0]], found[way])]
                report[f'times as fast by {name}, {way}'] = quartiles(ratios)
        print(json.dumps(report, indent=2))
    models[WAYS[1]].close()
    dist.barrier()
    dist.destroy_process_group()


def quartiles(values):
    low, median, high = statistics.quantiles(values, n=4, method='inclusive')
    return [round(low, 2), round(median, 2), round(high, 2)]


class TimedStep(LocalStep):
    """It notes when each local module ends, and what it hands over."""

    def __init__(self, *args, times, packing, sizes, data, **kwargs):
        super().__init__(*args, **kwargs)
        self.times, self.packing = times, packing
        self.sizes, self.handed = sizes, data

    def at_boundary(self, supervision, k, h):
        h = super().at_boundary(supervision, k, h)
        # packing and unpacking are of the module, and counted there
        begin = time.process_time()
        packet = pack(Handover(h, data=self.handed))
        self.sizes[k] = sum(part.numel() for part in vars(packet).values())
        unpack(packet, 'cpu')
        self.times.append(time.process_time())
        self.packing.append(self.times[-1] - begin)
        return h


def time_modules(args, cfg, boundaries):
    """CPU seconds of each local module, bytes between them; medians."""
    torch.manual_seed(0)
    batch = make_batch(cfg, args.batch, (args.size, args.size))
    model = build(cfg, boundaries, args.size)
    prepare_model(model)
    # so that a local module's step counts with it
    wrapper = wrap(model, step_each_module=True)
    data, sizes = model.data_preprocessor(batch, True), {}
    seconds, whole = [], []
    for _ in range(args.rounds * 2):
        times, packing = [time.process_time()], []
        wrapper.make_step = partial(
            TimedStep, times=times, packing=packing, sizes=sizes, data=data
        )
        model.train_step(batch, wrapper)
        times.append(time.process_time())
        seconds.append([end - start for start, end in pairwise(times)])
        # one process packs nothing
        whole.append(times[-1] - times[0] - sum(packing))
    modules = [statistics.median(found) for found in zip(*seconds[1:])]
    return statistics.median(whole[1:]), modules, [*sizes.values()]


def find_period(seconds, transfers, number=400):
    """Seconds of an iteration, once the pipe is full."""
    done, arrived = [0.0] * len(seconds), [0.0] * len(transfers)
    ends = []
    for _ in range(number):
        for k, own in enumerate(seconds):
            start = max(done[k], arrived[k - 1] if k else 0.0)
            done[k] = start + own
            if k < len(transfers):
                arrived[k] = max(arrived[k], done[k]) + transfers[k]
        ends.append(done[-1])
    return (ends[-1] - ends[number // 2 - 1]) / (number - number // 2)


def simulate(args, cfg, plans):
    torch.set_num_threads(1)
    for k, boundaries in plans.items():
        whole, seconds, sizes = time_modules(args, cfg, boundaries)
        report = dict(
            num_local_modules=k,
            boundaries=list(boundaries),
            milliseconds_of_one_process=round(1e3 * whole, 1),
            milliseconds=[round(1e3 * s, 1) for s in seconds],
            mib=[round(size / 2**20, 2) for size in sizes],
            load=os.getloadavg()[0],
        )
        for network, rate in NETWORKS.items():
            transfers = [size / rate for size in sizes]
            ratio = whole / find_period(seconds, transfers)
            report[f'times as fast, {network}'] = round(ratio, 2)
        print(json.dumps(report), flush=True)


def main():
    args = parse_args()
    cfg = read_training(args.config)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        plans = plan(cfg, args)
        if args.what == 'simulate':
            simulate(args, cfg, plans)
        else:
            (boundaries,) = plans.values()
            with TemporaryDirectory() as folder:
                mp.start_processes(
                    scoped_measure,
                    args=(args, boundaries, f'{folder}/store'),
                    nprocs=2,
                    start_method='spawn',
                )


def scoped_measure(rank, args, boundaries, store):
    cfg = read_training(args.config)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        measure(rank, args, cfg, boundaries, store)


if __name__ == '__main__':
    main()
