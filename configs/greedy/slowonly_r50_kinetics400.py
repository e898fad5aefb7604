# SlowOnly-R50 4x16 on Kinetics-400, greedy K=2: InfoPro without its decoder.
_base_ = ['../infopro/slowonly_r50_kinetics400.py']
model = dict(backbone=dict(local_modules=dict(decoder=None)))
