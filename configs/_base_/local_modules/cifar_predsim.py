# PredSim: similarity matching and prediction at each boundary, 0.99 to 0.01.
local_modules = dict(
    aux_head=dict(type='PredSimHead', num_classes=10, beta=0.99),
)
