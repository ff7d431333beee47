"""The settings of world models with Gaussian latents: what PlaNet and Dreamer v1 have in common."""

from robot_mbrl.specs import Count, Frozen, NonNegative, Positive


class GaussianModelSettings(Frozen):
    """Sizes and weights of losses of `world_models.gaussian_model`."""

    deter: Count = 200
    """Recurrent units of the RSSM."""
    hidden: Count = 200
    """Width of the RSSM's layers."""
    stoch: Count = 30
    """Gaussian latent variables."""
    min_std: Positive = 0.1
    """Least deviation of a latent."""
    units: Count = 300
    """Width of heads, and of the vectors' encoder and decoder."""
    cnn_depth: Count = 32
    """Channels of the first convolution; doubles at each of the following."""
    vector_layers: Count = 3
    """Depth of the vectors' encoder and decoder; published are pictures only."""
    reward_layers: Count = 3
    vector_scale: NonNegative = 1.0
    """Weight of the vectors' squared error."""
    free_nats: NonNegative = 3.0
    """Nats of the divergence that are free."""
    kl_scale: NonNegative = 1.0
