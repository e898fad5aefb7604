"""Plan well-known networks with cuts and recomputation, on fake tensors.

    python benchmarks/plan_networks.py [NAME ...] --out plans.jsonl

For each network it writes a line of JSON: the peak memory end to end and with
the host's activation checkpoints, the plan of the lowest memory and the one
within a share of end-to-end memory, the predicted front, the seconds that
planning took, and by how much the predicted peak of choices drawn by chance
differs from the counted one. Times are predicted: MACs, and bytes that other
ops move. With --table it prints the rows of docs/measurements.md from them.
"""

import argparse
import json
import logging
import random
import time
import warnings
from pathlib import Path

from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope

from localsup_mm.cli.planning_arguments import showing_progress
from localsup_mm.hosts import find_checkpointing_layers, read_training
from localsup_mm.planning import Plan, Planner, find_aux_nets, make_planner
from localsup_mm.planning.search import Choice
from localsup_mm.simulation import measure_step, read_workload

# config, images on one device, shares of end-to-end memory
NETWORKS = {
    'DeepLabV3-R101': (
        'localsup_mm::e2e/deeplabv3_r101_cityscapes.py',
        2,
        (0.235, 0.188),
    ),
    'UPerNet-Swin-T': (
        'localsup_mm::e2e/upernet_swin-t_ade20k.py',
        2,
        (0.6,),
    ),
    'Mask R-CNN-R50': ('localsup_mm::e2e/mask-rcnn_r50_coco.py', 2, (0.5,)),
    'SegFormer-B2': (
        'mmseg::segformer/segformer_mit-b2_8xb2-160k_ade20k-512x512.py',
        2,
        (0.5,),
    ),
    'Mask2Former-R50': (
        'mmseg::mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py',
        2,
        (0.7, 0.6),
    ),
    'RetinaNet-R50': (
        'localsup_mm::e2e/retinanet_r50_coco.py',
        2,
        (0.6, 0.5),
    ),
    'ViT-B': (
        'mmpretrain::vision_transformer/vit-base-p16_64xb64_in1k.py',
        64,
        (0.3,),
    ),
    'ResNet-110': ('localsup_mm::e2e/resnet110_cifar10.py', 1024, (0.25,)),
    'PSPNet-R50': (
        'mmseg::pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py',
        2,
        (0.4,),
    ),
    'ConvNeXt-T': (
        'mmpretrain::convnext/convnext-tiny_32xb128_in1k.py',
        64,
        (0.3,),
    ),
    'DenseNet-121': (
        'mmpretrain::densenet/densenet121_4xb256_in1k.py',
        64,
        (0.3,),
    ),
    'RegNetX-3.2GF': (
        'mmpretrain::regnet/regnetx-3.2gf_8xb64_in1k.py',
        64,
        (0.3,),
    ),
}


def main() -> None:
    """Plan the networks of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', metavar='NAME')
    parser.add_argument('--out', required=True, help='file of JSON lines')
    parser.add_argument('--table', action='store_true', help='read it')
    parser.add_argument('--random', type=int, default=3, metavar='N')
    parser.add_argument('--recompute', default='any')
    args = parser.parse_args()
    if args.table:
        for line in Path(args.out).read_text().splitlines():
            print(format_row(json.loads(line)))
        return
    warnings.filterwarnings('ignore')
    MMLogger.get_current_instance().setLevel(logging.ERROR)
    for name in args.names or NETWORKS:
        with showing_progress():
            record = plan_network(name, args.recompute, args.random)
        with Path(args.out).open('a') as file:
            file.write(json.dumps(record) + '\n')
        print(json.dumps(record), flush=True)


def plan_network(name: str, recompute: str, num_random: int) -> dict:
    """Plan one network.

    Args:
        name (str): A key of ``NETWORKS``.
        recompute (str): See :func:`make_planner`.
        num_random (int): How many choices are drawn.

    Returns:
        dict: The record.
    """
    config, batch, shares = NETWORKS[name]
    cfg = read_training(config)
    begin, cpu = time.perf_counter(), time.process_time()
    workload = read_workload(cfg, batch)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        planner = make_planner(
            workload,
            find_aux_nets(cfg, workload.input_shape[-2:]),
            recompute=recompute,
        )
        lowest, model = planner.plan(), planner.memory_model
        seconds = time.perf_counter() - begin, time.process_time() - cpu
        return dict(
            name=name,
            config=config,
            input_shape=list(workload.input_shape),
            recompute=recompute,
            seconds=[round(s, 1) for s in seconds],
            end_to_end=planner.profile.peak,
            with_cp=count_with_cp(cfg, batch, planner),
            lowest=describe(lowest),
            within=[plan_within(planner, share) for share in shares],
            front=[
                (c.peak, c.cost / model.step_time, len(c.places) + 1)
                for c in planner.find_choices()
            ],
            errors=[compare(planner, seed) for seed in range(num_random)],
        )


def count_with_cp(cfg: dict, batch: int, planner: Planner) -> dict | None:
    """Count the host's own activation checkpoints, if it has some."""
    if not find_checkpointing_layers(planner.workload.model.backbone):
        return None
    cost = measure_step(read_workload(cfg, batch, with_cp=True))
    model = planner.memory_model
    spent = cost.step_macs + model.macs_per_byte * cost.moved_bytes
    return dict(
        peak=cost.peak_memory,
        macs=cost.step_macs / planner.profile.step_macs - 1,
        time=spent / model.step_time - 1,
    )


def plan_within(planner: Planner, share: float) -> dict:
    """Plan for a share of the end-to-end memory."""
    budget = round(share * planner.profile.peak)
    try:
        plan = planner.plan(memory_budget=budget)
    except ValueError as error:
        return dict(share=share, refused=str(error))
    return dict(share=share, **describe(plan))


def describe(plan: Plan) -> dict:
    """Describe a plan in figures."""
    return dict(
        peak=plan.peak_memory,
        time=plan.extra_time,
        macs=plan.extra_step_macs,
        boundaries=plan.boundaries,
        recompute=plan.recompute,
        module_peaks=plan.module_peaks,
    )


def format_row(record: dict) -> str:
    """Write a row of the table of docs/measurements.md.

    Args:
        record (dict): A record of :func:`plan_network`.

    Returns:
        str: The row, with memory in GiB and shares of end to end.
    """
    end_to_end = record['end_to_end']

    def write(cost: dict | None) -> str:
        if cost is None:
            return 'the host has none'
        if 'refused' in cost:
            return f'{100 * cost["share"]:.4g} %: not to be had'
        size = f'{cost["peak"] / 2**30:.2f}'
        share = f'{100 * cost["peak"] / end_to_end:.0f} %'
        names = cost.get('boundaries')
        count = '' if names is None else f'K={len(names) + 1}, '
        return (
            f'{size} ({share}), {count}{100 * cost["macs"]:+.0f} %, '
            f'{1 + cost["time"]:.2f}'
        )

    *leading, height, width = record['input_shape']
    name = f'{record["name"]}, {leading[0]} x {height} x {width}'
    within = '; '.join(map(write, record['within']))
    error = max(map(abs, record['errors']))
    cells = [
        name,
        f'{end_to_end / 2**30:.2f}',
        write(record['with_cp']),
        within,
        write(record['lowest']),
        f'{record["seconds"][1]:.0f} s',
        f'{100 * error:.1f} %',
    ]
    return f'| {" | ".join(cells)} |'


def compare(planner: Planner, seed: int) -> float:
    """Compare predicted with counted memory for a choice of chance."""
    rng = random.Random(seed)
    cuts = planner.memory_model.cuts
    places = sorted(rng.sample(cuts, rng.randint(0, min(3, len(cuts)))))
    stretches = planner.profile.stretches
    ways = [rng.randint(0, len(stretch.ways)) for stretch in stretches]
    plan = planner.evaluate_choice(Choice(tuple(places), tuple(ways), 0, 0.0))
    predicted = max(planner.memory_model.peaks(places, ways))
    return predicted / plan.peak_memory - 1


if __name__ == '__main__':
    main()
