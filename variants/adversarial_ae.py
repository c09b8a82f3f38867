"""The adversarial autoencoder, WAE-GAN: min Σ cost(Θ(z), xᵢ) - w λ ln σ(D(z)), z = Φ(xᵢ) (Makhzani et al. 2015).

The critic D learns to tell draws from N(0, I) from codes: min -ln σ(D(p)) - ln(1 - σ(D(z))). λ is λ_auto of the data.
"""

from torch.nn.functional import softplus

from bench.contracts.variant import Variant, number_in, whole_number
from bench.losses import standard_normal
from bench.parts.critics import critic, critic_cost


class AdversarialAE(Variant):
    """Adversarial autoencoder (Makhzani 2015): a critic cannot tell codes from draws of N(0, I)."""

    family = "aggregate"
    reference = "Makhzani et al. 2015, arXiv 1511.05644"
    players = {"loss": ("encoder.", "decoder."), "loss_critic": ("critic.",)}  # noqa: RUF012

    def __init__(self, weight: float = 1.0, hidden: int = 64):
        super().__init__()
        self.weight = number_in("weight", weight, 0.0)
        self.hidden = whole_number("hidden", hidden, 1)

    def setup(self, context):
        self.weight_value = self.weight * context.auto_kl_weight()
        self.critic = critic(context.latent_dim, self.hidden)

    def loss(self, batch, draw):
        z = self.encode(batch.x)
        cost = self.reconstruction_cost(z, batch.x)
        real, fake = self.critic(draw.normal(z.shape)).squeeze(-1), self.critic(z.detach()).squeeze(-1)
        fooled = softplus(-self.critic(z).squeeze(-1))
        total = cost + self.weight_value * fooled
        return {"loss": total, "loss_critic": critic_cost(real, fake), "reconstruction": cost, "fooled": fooled}

    def encode(self, x):
        return self.encoder(x)

    def prior(self):
        return standard_normal(self.latent_dim, next(self.parameters()))
