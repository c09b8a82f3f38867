"""Mathematics that variants share: pure functions of tensors that run under `torch.vmap` and in recordings.

`posteriors` (densities of codes), `divergences` (between codes and a prior), `importance` (bounds from several draws),
`jacobians`, `spectral` (the largest singular value of weights), `critics` (networks that tell codes apart), `quantise`
(codebooks and grids), `flows` (invertible maps of codes). Letters: B batch, L latent dimension, S draws, μ and
v = ln σ² mean and log-variance of q(z|x).
"""
