"""The arithmetic behind `bench.losses`: costs, KL term and clamp with hand-derived gradients.

`elementwise` holds the formulas, `functions` makes them differentiable, `stacking` takes them through `torch.vmap`
without its Python dispatch.
"""
