"""The networks, by name, and the model folder: `config.json` beside `model.safetensors`.

Packed windows of both anchors come in, uint8 (N, ceil(L / 2)). Logits go out, float (N,). What a
folder says of itself (`folder`) and the list of models (`catalogue`) are read without torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
