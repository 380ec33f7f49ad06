"""MONAI's autoencoder and U-Net, imported without the rest of MONAI. Nothing else imports MONAI.

Written for MONAI 1.6.1. `import monai` loads nearly all of its modules, pandas and transformers among them: on the machine that
this was written on it took 23 s of CPU in place of what torch alone takes, in each job that trains or samples. The two networks
need a few blocks only. So the packages around them are opened as bare folders, and get the names that their modules ask them
for. It may go when `import monai` takes no more than a second.
"""

from __future__ import annotations

import sys
from importlib import import_module

from scripts.lib.engine.lean_imports import bare_packages

PACKAGES = ("monai", "monai.networks", "monai.networks.blocks", "monai.networks.nets", "monai.apps")
# Names that modules ask a package for, by the module that has them; later ones ask for earlier ones.
NAMES = {
    "monai.networks.utils": ("to_norm_affine",),
    "monai.networks.blocks.acti_norm": ("ADN",),
    "monai.networks.blocks.convolutions": ("Convolution",),
    "monai.networks.blocks.mlp": ("MLPBlock",),
    "monai.networks.blocks.selfattention": ("SABlock",),
    "monai.networks.blocks.crossattention": ("CrossAttentionBlock",),
    "monai.networks.blocks.spatialattention": ("SpatialAttentionBlock",),
    "monai.networks.blocks.upsample": ("Upsample",),
}

with bare_packages(*PACKAGES):
    for _module, _names in NAMES.items():
        _package = sys.modules[_module.rpartition(".")[0]]
        for _name in _names:
            setattr(_package, _name, getattr(import_module(_module), _name))
    from monai.networks.nets.autoencoderkl import AutoencoderKL
    from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet

__all__ = ["AutoencoderKL", "DiffusionModelUNet"]
