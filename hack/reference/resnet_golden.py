"""Writes trainer/session/testdata/*.json: what PyTorch computes, for the trainer's tests to compare with.

torchvision's ResNet and torch.optim.AdamW run in float64 on made-up weights, images and gradients, which the Go test makes up by
the same formula (fill below), so that a golden file holds a few numbers instead of eleven million.

    pip install torch==2.9.1 torchvision==0.24.1 && python3 hack/reference/resnet_golden.py
"""

import json
import os
import zlib

import numpy as np
import torch
import torchvision

SIDE, CHANNELS, BATCH = 48, 6, 8  # 48: the last stages have odd sides, where padding is easily wrong
MEAN, STD = [100, 110, 120, 130, 140, 150], [50, 51, 52, 53, 54, 55]
RATE, DECAY, CLIP = 1e-3, 0.02, 0.5
OUT = os.path.join(os.path.dirname(__file__), "..", "..", "trainer", "session", "testdata")


def fill(name, n):
    """n numbers in [-1,1) that depend on the name alone: a 32-bit mix of position and crc32(name)."""
    with np.errstate(over="ignore"):
        x = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(zlib.crc32(name.encode()))
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x21F0AAAD)
        x ^= x >> np.uint32(15)
        x *= np.uint32(0x735A2D97)
        x ^= x >> np.uint32(15)
    return x.astype(np.float64) / 2**31 - 1


def weights(name, shape):
    """Scaled so that activations stay near 1, and the last scale of each block small, so that float32 does not drift away."""
    u = fill(name, int(np.prod(shape)))
    if len(shape) == 4:
        u = u * np.sqrt(6 / (shape[0] * shape[2] * shape[3]))
    elif name == "fc.weight":
        u = u / np.sqrt(shape[1])
    elif name.endswith("running_var"):
        u = 1 + 0.5 * u
    elif name.endswith(LAST_SCALE) and name.startswith("layer") and "downsample" not in name:
        u = 0.2 + 0.02 * u
    elif name.endswith(".weight"):
        u = 1 + 0.1 * u
    else:
        u = 0.1 * u
    return torch.from_numpy(u.astype(np.float32).astype(np.float64).reshape(shape))


def resnet(depth, steps):
    global LAST_SCALE
    LAST_SCALE = "bn2.weight" if depth < 50 else "bn3.weight"
    net = getattr(torchvision.models, f"resnet{depth}")(num_classes=2)
    net.conv1 = torch.nn.Conv2d(CHANNELS, 64, 7, 2, 3, bias=False)
    net = net.double()
    net.load_state_dict({k: weights(k, v.shape) for k, v in net.state_dict().items() if "num_batches" not in k}, strict=False)

    pixels = np.floor((fill("images", BATCH * SIDE * SIDE * CHANNELS) + 1) * 128)
    x = (torch.from_numpy(pixels).reshape(BATCH, SIDE, SIDE, CHANNELS) - torch.tensor(MEAN)) / torch.tensor(STD)
    x = x.permute(0, 3, 1, 2)
    labels = torch.arange(BATCH) % 2
    sample_weights = torch.tensor([1, 2, 1, 0.5] * (BATCH // 4), dtype=torch.float64)

    kernels = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim == 1]
    adamw = torch.optim.AdamW([{"params": kernels, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0}], lr=RATE)
    golden = {"depth": depth, "parameters": sum(p.numel() for p in net.parameters()), "before": scores(net, x), "losses": [], "norms": []}
    for _ in range(steps):
        net.train()
        adamw.zero_grad()
        ce = torch.nn.functional.cross_entropy(net(x), labels, reduction="none")
        loss = (ce * sample_weights).sum() / sample_weights.sum()
        loss.backward()
        golden["losses"].append(loss.item())
        golden["norms"].append(torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP).item())
        adamw.step()
        if "tensors" not in golden:
            golden["tensors"] = watched(net, adamw)
    golden["after"] = scores(net, x)
    return golden


def watched(net, adamw):
    """Eight values each of statistics and first moments, to be taken after one step. Not weights: AdamW's first step is the sign
    of a gradient, which rounding turns around where the gradient is almost 0."""
    state, named = net.state_dict(), dict(net.named_parameters())
    tensors = {k: state[k] for k in ["bn1.running_mean", "bn1.running_var", "layer4.1.bn2.running_var"]}
    for k in ["conv1.weight", "bn1.weight", "layer2.0.downsample.0.weight", "layer4.1.conv2.weight", "fc.weight", "fc.bias"]:
        tensors["adamw.m/" + k] = adamw.state[named[k]]["exp_avg"]
    return {k: v.flatten()[:8].tolist() for k, v in tensors.items()}


def scores(net, x):
    net.eval()
    with torch.no_grad():
        logits = net(x)
    return (logits[:, 1] - logits[:, 0]).tolist()


def optimizer():
    """Five AdamW steps on a kernel and a bias from given gradients, small and large, clipped and not."""
    kernel, bias = torch.from_numpy(fill("kernel", 6)).reshape(2, 3), torch.from_numpy(fill("bias", 3))
    kernel.requires_grad_(), bias.requires_grad_()
    adamw = torch.optim.AdamW([{"params": [kernel], "weight_decay": 0.1}, {"params": [bias], "weight_decay": 0}], lr=1)
    steps = []
    for t, (rate, scale) in enumerate([(0.01, 1), (0.02, 1e-4), (0.03, 10), (0.02, 1e-9), (0.01, 0.1)], start=1):
        for group in adamw.param_groups:
            group["lr"] = rate
        kernel.grad = torch.from_numpy(fill(f"kernel.{t}", 6)).reshape(2, 3) * scale
        bias.grad = torch.from_numpy(fill(f"bias.{t}", 3)) * scale
        norm = torch.nn.utils.clip_grad_norm_([kernel, bias], 1.5).item()
        adamw.step()
        steps.append({"rate": rate, "scale": scale, "norm": norm, "kernel": kernel.flatten().tolist(), "bias": bias.tolist()})
    return {"decay": 0.1, "clip": 1.5, "steps": steps}


if __name__ == "__main__":
    for name, golden in {"resnet18": resnet(18, 3), "resnet50": resnet(50, 2), "adamw": optimizer()}.items():
        with open(os.path.join(OUT, name + ".json"), "w") as f:
            json.dump(golden, f, indent=1)
            f.write("\n")
