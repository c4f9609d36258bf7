"""Computes with PyTorch the files trainer/session/testdata/*.json, which the trainer's tests compare with.

torchvision's ResNets and torch.optim's optimizers run in float64 on made-up weights and images. The Go test makes up
the same ones by the same formula (fill below), so a golden file holds a few hundred numbers instead of sixty million.
Everything runs in float32 as well. The files also hold the difference between the two, so that the tests can compare
the rounding of the Go graph with PyTorch's own. `make reference` runs this program.

    hack/reference/torch.sh resnet_golden.py [DEPTH...]
"""

import json
import os
import re
import sys
import zlib

import numpy as np
import torch
import torchvision
from torch.optim.swa_utils import AveragedModel

SIDE, CHANNELS, BATCH = 48, 6, 8  # 48: the last stages have odd sides, where padding is easily wrong
MEAN, STD = [100, 110, 120, 130, 140, 150], [50, 51, 52, 53, 54, 55]
OUT = os.path.join(os.path.dirname(__file__), "..", "..", "trainer", "session", "testdata")
STAGES = ["stem", "layer1", "layer2", "layer3", "layer4", "head"]

# The names of the settings are those of wire.Hyperparameters, because the Go test decodes them into that type.
SGD = {"optimizer": "sgd", "momentum": 0.9, "weightDecay": 0.02, "clipNorm": 0.5}
# With epsilon 1e-8, AdamW's first step would be the sign of the gradient. Where a gradient is almost 0, rounding
# changes its sign.
ADAMW = {"optimizer": "adamw", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-3, "weightDecay": 0.02, "clipNorm": 1}


def trainings(depth):
    """Yields each training: its name, settings, number of steps and phase.

    The learning rates are large enough that the losses fall. They are small enough that rounding, which the deeper
    networks amplify from step to step, stays small beside the values that are compared.
    """
    sgd = SGD | {"learningRate": {18: 0.02, 34: 0.02, 50: 0.005}.get(depth, 0.002)}
    adamw = ADAMW | {"learningRate": {18: 2e-4, 34: 2e-4, 50: 5e-5}.get(depth, 2e-5)}
    yield "SGD", sgd, 10, "all"
    yield "AdamW", adamw, 10, "all"
    if depth in (18, 50):  # one of each kind of block
        yield "batch norm frozen", sgd | {"batchNorm": "freeze"}, 3, "all"
        yield "two parts accumulated", sgd | {"accumulate": 2}, 3, "all"
        yield "head first", adamw | {"learningRate": 1e-3 if depth == 18 else 1e-4}, 3, "head"
    if depth == 18:  # the kind of block makes no difference to these
        yield "labels smoothed", sgd | {"labelSmoothing": 0.1}, 3, "all"
        yield "rates by layer", adamw | {"backboneFactor": 0.5, "layerDecay": 0.8}, 3, "all"
        yield "averaged", adamw | {"ema": 0.99}, 3, "all"


def golden(depth):
    out = {"depth": depth, "parameters": sum(p.numel() for p in network(depth, torch.float64).parameters())}
    net, (x, _, _) = network(depth, torch.float64), batch(torch.float64)
    with torch.no_grad():
        out["evaluation"], out["training"] = digits(net.eval()(x)), digits(net.train()(x))
    out["trainings"] = {}
    for name, settings, steps, phase in trainings(depth):
        exact = train(depth, torch.float64, settings, steps, phase)
        rounded = [train(depth, torch.float32, settings, steps, phase, turned) for turned in range(3)]
        off = gaps(exact, rounded)
        out["trainings"][name] = {"settings": settings, "phase": phase} | exact | {"gaps": off}
        print(f"depth {depth}, {name}: losses {exact['losses'][0]} to {exact['losses'][-1]}", off, flush=True)
    return out


def train(depth, dtype, settings, steps, phase, turned=0):
    """Trains as any PyTorch program would. Returns the losses, and of the first step the gradients and the changes.

    turned is the number of places by which the samples of a batch are rotated. That changes only how sums are rounded.
    """
    net, (x, labels, weights) = network(depth, dtype), batch(dtype)
    parts = torch.arange(BATCH).chunk(settings.get("accumulate", 1))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    for name, p in net.named_parameters():
        p.requires_grad = phase == "all" or name in ("conv1.weight", "fc.weight", "fc.bias")
    optimizer = optimizer_of(net, settings, phase)
    shares = [1 - min(settings["ema"], (1 + t) / (10 + t)) for t in range(1, steps + 1)] if "ema" in settings else []
    averaged = AveragedModel(net, avg_fn=lambda average, new, _: average + share * (new - average), use_buffers=True)
    averaged.update_parameters(net)  # the first call copies the weights

    out = {"shares": shares, "losses": []}
    for step in range(steps):
        net.train()
        if settings.get("batchNorm") == "freeze":
            for module in net.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.eval()
        optimizer.zero_grad()
        loss = 0
        for part in parts:
            part = part.roll(turned)
            ce = torch.nn.functional.cross_entropy(
                net(x[part]), labels[part], reduction="none", label_smoothing=settings.get("labelSmoothing", 0)
            )
            share_of_loss = (ce * weights[part]).sum() / weights.sum()
            share_of_loss.backward()
            loss += share_of_loss.item()
        out["losses"].append(loss)
        if step == 0:
            out["gradients"] = sketches({k: p.grad for k, p in net.named_parameters() if p.grad is not None})
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), settings["clipNorm"])
        if step == 0:
            out["norm"] = digits(norm)
        optimizer.step()
        if shares:
            share = shares[step]
            averaged.update_parameters(net)
        if step == 0:
            changes = {k: v - before[k] for k, v in net.state_dict().items()}
            out["update"] = sketches({k: v for k, v in changes.items() if "running" not in k})
            out["statistics"] = sketches({k: v for k, v in changes.items() if "running" in k})
    if shares:
        out["averages"] = sketches({k: v - before[k] for k, v in averaged.module.state_dict().items()})
        with torch.no_grad():
            out["after"] = digits(averaged.module.eval()(x))
    out["losses"] = digits(torch.tensor(out["losses"], dtype=torch.float64))
    return out


def optimizer_of(net, settings, phase):
    """Returns an optimizer with a group per weight: only kernels and matrices decay, and each stage has its rate."""
    groups = []
    for name, p in net.named_parameters():
        factor = 1.0
        if phase == "all" and stage_of(name) != "head":
            below = 4 - STAGES.index(stage_of(name))
            factor = settings.get("backboneFactor", 1) * settings.get("layerDecay", 1) ** below
        decay = settings["weightDecay"] if p.ndim > 1 else 0
        groups.append({"params": [p], "lr": settings["learningRate"] * factor, "weight_decay": decay})
    if settings["optimizer"] == "sgd":
        return torch.optim.SGD(groups, momentum=settings["momentum"])
    return torch.optim.AdamW(groups, betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"])


def stage_of(name):
    top = name.split(".")[0]
    return {"conv1": "stem", "bn1": "stem", "fc": "head"}.get(top, top)


def sketches(tensors):
    """Returns for each stage the norm of all its tensors and their product with a made-up vector.

    The product finds mistakes that leave the norm the same: a sign, an order, a transposed kernel.
    """
    out = {}
    for name, t in tensors.items():
        if "num_batches" in name:
            continue
        t = t.double().flatten()
        squares, product = out.get(stage_of(name), (0, 0))
        vector = torch.from_numpy(fill("sketch." + name, t.numel()))
        out[stage_of(name)] = (squares + t.square().sum(), product + t @ vector)
    return {stage: digits(torch.stack([squares.sqrt(), product])) for stage, (squares, product) in out.items()}


def gaps(exact, rounded):
    """Returns the largest differences of PyTorch's own float32 from float64.

    One run in float32 tells little. The gradients of a step differ by 1e-5 while every ReLU is on the same side of 0 as
    in float64, and by up to 2e-2 if one activation near 0 is not; from there on the losses drift apart. Which
    activations those are is chance. Another order of the samples draws again, so there are several runs.
    """
    relative = lambda i, loss: max(abs(r["losses"][i] - loss) / loss for r in rounded)
    out = {"losses": [relative(i, loss) for i, loss in enumerate(exact["losses"])]}
    for what in ("gradients", "update", "statistics", "averages"):  # relative to the norm
        off = [abs(e - r) / sketch[0] for stage, sketch in exact.get(what, {}).items() if sketch[0]
               for other in rounded for e, r in zip(sketch, other[what][stage])]
        out[what] = max(off, default=0)
    if "after" in exact:
        after = exact["after"]
        off = max(abs(e - r) for other in rounded for e, r in zip(after, other["after"]))
        out["after"] = off / max(map(abs, after))
    return {what: digits(torch.tensor(off, dtype=torch.float64), 2) for what, off in out.items()}


def digits(tensor, n=9):
    """Rounds to n significant digits, so that another machine writes the same file.

    Sums in float64 differ between machines in the 15th digit.
    """
    if tensor.ndim == 0:
        return float(f"{tensor.item():.{n - 1}e}")
    return [float(f"{v:.{n - 1}e}") for v in tensor.double().flatten().tolist()]


def fill(name, n):
    """Returns n numbers in [-1,1) that depend only on the name: a 32-bit mix of position and crc32(name)."""
    with np.errstate(over="ignore"):
        x = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(zlib.crc32(name.encode()))
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x21F0AAAD)
        x ^= x >> np.uint32(15)
        x *= np.uint32(0x735A2D97)
        x ^= x >> np.uint32(15)
    return x.astype(np.float64) / 2**31 - 1


def network(depth, dtype):
    """Returns torchvision's ResNet for six channels and two classes, with made-up weights."""
    net = getattr(torchvision.models, f"resnet{depth}")(num_classes=2)
    net.conv1 = torch.nn.Conv2d(CHANNELS, 64, 7, 2, 3, bias=False)
    last = "bn2.weight" if depth < 50 else "bn3.weight"
    shapes = {k: v.shape for k, v in net.state_dict().items() if "num_batches" not in k}
    net.load_state_dict({k: made_up(k, shape, last) for k, shape in shapes.items()}, strict=False)
    return net.to(dtype)


def made_up(name, shape, last_scale):
    """Returns a made-up weight.

    It is scaled so that activations stay near 1. The last scale of each block is small, so that float32 stays near
    float64.
    """
    u = fill(name, int(np.prod(shape)))
    if len(shape) == 4:
        u = u * np.sqrt(6 / (shape[0] * shape[2] * shape[3]))
    elif name == "fc.weight":
        u = u / np.sqrt(shape[1])
    elif name.endswith("running_var"):
        u = 1 + 0.5 * u
    elif name.endswith(last_scale) and name.startswith("layer") and "downsample" not in name:
        u = 0.2 + 0.02 * u
    elif name.endswith(".weight"):
        u = 1 + 0.1 * u
    else:
        u = 0.1 * u
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def batch(dtype):
    """Returns images [8,6,48,48] normalised, labels [8] and weights of the loss [8]."""
    pixels = np.floor((fill("images", BATCH * SIDE * SIDE * CHANNELS) + 1) * 128)
    x = (torch.from_numpy(pixels).reshape(BATCH, SIDE, SIDE, CHANNELS) - torch.tensor(MEAN)) / torch.tensor(STD)
    weights = torch.tensor([1, 2, 1, 0.5] * (BATCH // 4), dtype=dtype)
    return x.permute(0, 3, 1, 2).to(dtype), torch.arange(BATCH) % 2, weights


def adamw():
    """Returns five AdamW steps on a kernel and a bias, with given gradients: small and large, clipped and not."""
    kernel, bias = torch.from_numpy(fill("kernel", 6)).reshape(2, 3), torch.from_numpy(fill("bias", 3))
    kernel.requires_grad_(), bias.requires_grad_()
    groups = [{"params": [kernel], "weight_decay": 0.1}, {"params": [bias], "weight_decay": 0}]
    optimizer = torch.optim.AdamW(groups, lr=1)
    steps = []
    for t, (rate, scale) in enumerate([(0.01, 1), (0.02, 1e-4), (0.03, 10), (0.02, 1e-9), (0.01, 0.1)], start=1):
        for group in optimizer.param_groups:
            group["lr"] = rate
        kernel.grad = torch.from_numpy(fill(f"kernel.{t}", 6)).reshape(2, 3) * scale
        bias.grad = torch.from_numpy(fill(f"bias.{t}", 3)) * scale
        norm = torch.nn.utils.clip_grad_norm_([kernel, bias], 1.5).item()
        optimizer.step()
        values = {"kernel": kernel.flatten().tolist(), "bias": bias.tolist()}
        steps.append({"rate": rate, "scale": scale, "norm": norm} | values)
    return {"decay": 0.1, "clip": 1.5, "steps": steps}


def write(name, golden):
    """Writes a golden file in which each list of numbers takes one line."""
    text = re.sub(r"\[[^][{}]*\]", lambda numbers: " ".join(numbers[0].split()), json.dumps(golden, indent=1))
    with open(os.path.join(OUT, name + ".json"), "w") as f:
        f.write(text + "\n")


if __name__ == "__main__":
    torch.set_num_threads(2)  # fixed, because the gaps of float32 depend on the order of sums
    write("adamw", adamw())
    for depth in map(int, sys.argv[1:] or (18, 34, 50, 101, 152)):
        write(f"resnet{depth}", golden(depth))
