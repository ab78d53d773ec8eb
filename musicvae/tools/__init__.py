"""Tools that apply a trained model to songs, one module each.

In go a `latent.codec.Codec` and songs; out come songs (`sample`, `interpolate`, `vary`, `extend`,
`inpaint`, `denoise`, `groove`, `steer`), reports (`anomaly`) and embeddings (`embed`, `explore`).
`musicvae.model.MusicVAE` has each of them as a method.
"""
