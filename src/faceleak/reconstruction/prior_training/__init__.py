"""Training a prior of one's own on public faces: a lightweight GAN for small sets (FastGAN, arXiv 2101.04775)."""
