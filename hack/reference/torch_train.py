"""Trains one depth with PyTorch and timm on a Plumbline data set, with the settings and the split of a checkpoint.

    hack/reference/torch.sh torch_train.py --data erasers --manifest CHECKPOINT/manifest.json \\
        --split split.json --seeds 1 2 3 --out torch

An engineer who knows PyTorch and not Plumbline would write this program: with PIL, a DataLoader, timm's network and
torch.optim. It shares no code with Plumbline. It reads only files: the settings and the channels' means from a
manifest, and the ids of the folds, which torch_split.py reads from predictions. So if both reach the same AUC-PR, that
is not because one of them copies the other.

For each seed it prints a line of JSON and writes OUT/seed-N/{validation,test}/predictions.csv, which compare_ap.py
reads.
"""

import argparse
import copy
import csv
import json
import math
import os
import time

import numpy as np
import timm
import torch
import torch.nn.functional as F
import yaml
from PIL import Image
from safetensors.torch import load_file
from sklearn.metrics import average_precision_score
from timm.models import adapt_input_conv
from torch.optim.swa_utils import AveragedModel, update_bn
from torch.utils.data import DataLoader, Dataset, RandomSampler, WeightedRandomSampler


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="directory that holds dataset.yaml")
    parser.add_argument(
        "--manifest", required=True, help="manifest.json of a checkpoint: depth, settings, channels, normalisation"
    )
    parser.add_argument("--split", required=True, help="JSON file with the ids of train, validation and test")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="train once with each seed; default 1")
    parser.add_argument("--epochs", type=int, help="number of epochs; default: the manifest's")
    parser.add_argument("--pretrained", help="the .safetensors file that the manifest's training started from")
    parser.add_argument("--out", help="directory for predictions; default: write none")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="number of processes that decode images; default: all cores"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="number of threads; default: all cores")
    parser.add_argument("--compile", action="store_true", help="run the network through torch.compile")
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    with open(o.manifest) as f:
        manifest = json.load(f)
    with open(o.split) as f:
        split = json.load(f)
    if manifest.get("pretrained") and not o.pretrained:
        parser.error("this checkpoint's training started from pretrained weights: name the file with --pretrained")
    if o.epochs:
        h = manifest["settings"]["hyperparameters"]
        h["epochs"], h["headEpochs"] = o.epochs, min(h["headEpochs"], o.epochs // 2)
        h["warmupEpochs"] = max(0, min(h["warmupEpochs"], o.epochs - h["headEpochs"] - 1))
    for seed in o.seeds:
        print(json.dumps(run(o, manifest, split, seed)), flush=True)


def run(o, manifest, split, seed):
    """Trains, keeps the weights that validate best, and scores them once on the test split."""
    began = time.perf_counter()
    torch.manual_seed(seed)
    h, imbalance = manifest["settings"]["hyperparameters"], manifest["settings"]["imbalance"]
    folds = {
        name: Images(o.data, ids, h["imageSize"], h["augment"] if name == "train" else None, manifest["input"])
        for name, ids in split.items()
    }
    counts = np.bincount(folds["train"].labels, minlength=2)
    class_weight = weights_in_loss(counts, imbalance)
    trainer = Trainer(o, manifest, class_weight)
    chosen = sampler(folds["train"].labels, counts, imbalance["samplerWeight"], h["batchSize"])
    train = loader(o, folds["train"], h["batchSize"], chosen)
    validation = loader(o, folds["validation"], 32)

    best = {"validation": -1.0}
    for epoch in range(h["epochs"]):
        if epoch == h["headEpochs"] and (epoch > 0 or h["batchNorm"] == "freeze"):
            trainer.begin_all(o, folds["train"])
        loss = trainer.epoch(train, epoch)
        ap = average_precision_score(folds["validation"].labels, trainer.score(validation))
        print(f"seed {seed}, epoch {epoch + 1}: loss {loss:.4f}, validation AUC-PR {ap:.4f}", flush=True)
        if ap > best["validation"]:
            best = {"validation": ap, "epoch": epoch + 1, "weights": copy.deepcopy(trainer.kept().state_dict())}
        if h["patience"] and epoch + 1 - max(best["epoch"], h["headEpochs"]) >= h["patience"]:
            break
    seconds = time.perf_counter() - began  # until the end of the validation

    trainer.kept().load_state_dict(best["weights"])
    shift = math.log(class_weight[1]) + imbalance["samplerWeight"] * math.log(counts[0] / counts[1])
    result = {
        "seed": seed,
        "depth": manifest["architecture"]["depth"],
        "epoch": best["epoch"],
        "validation": best["validation"],
        "seconds": round(seconds, 2),
    }
    for name in ("validation", "test"):
        scores = trainer.score(loader(o, folds[name], 32))
        result[name] = average_precision_score(folds[name].labels, scores)
        if o.out:
            folds[name].write(os.path.join(o.out, f"seed-{seed}", name), scores - shift)
    result["peakMiB"] = peak_mib()
    return result


class Images(Dataset):
    """Samples of a Plumbline data set (docs/dataset.md): one grey image file per channel."""

    def __init__(self, directory, ids, size, augment, taken):
        with open(os.path.join(directory, "dataset.yaml")) as f:
            config = yaml.safe_load(f)
        with open(os.path.join(directory, config.get("labels", "labels.csv")), newline="", encoding="utf-8-sig") as f:
            rows = {row["id"]: row for row in csv.DictReader(f)}
        if config.get("corrections") or config.get("grid"):
            raise SystemExit(
                "this program supports neither corrections nor grids: train both programs on a data set without them"
            )
        if config["channels"] != taken["channels"]:
            raise SystemExit(f"the data set has the channels {config['channels']}, the checkpoint {taken['channels']}")
        self.files = os.path.join(directory, config.get("files", "images/{channel}/{id}.png"))
        self.channels, self.range16 = config["channels"], config.get("range16")
        self.ids, self.size, self.augment = ids, size, augment
        self.packages = [rows[i]["package"] for i in ids]
        self.labels = np.array([rows[i]["label"] == "defect" for i in ids], dtype=np.int64)
        self.mean, self.std = (torch.tensor(taken[k]).reshape(-1, 1, 1) for k in ("mean", "std"))

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, i):
        """Returns an image, [C,S,S] normalised, and its label."""
        planes = [self.plane(self.files.format(channel=channel, id=self.ids[i])) for channel in self.channels]
        x = (torch.from_numpy(np.stack(planes)).float() - self.mean) / self.std
        if self.augment:
            x = augmented(x, self.augment)
        return x, self.labels[i]

    def plane(self, file):
        image = Image.open(file)
        if image.mode.startswith("I"):  # 16 bits
            low, high = self.range16["min"], self.range16["max"]
            values = (np.asarray(image, dtype=np.float32).clip(low, high) - low) * (255 / (high - low))
            image = Image.fromarray(values)
        else:
            image = image.convert("L")
        # PIL's box filter computes the mean over an area, like Plumbline's area-v1.
        smaller = self.size <= min(image.size)
        how = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
        image = image.resize((self.size, self.size), how)
        return np.rint(np.asarray(image, dtype=np.float32)).astype(np.uint8)

    def write(self, directory, logits):
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, "predictions.csv"), "w", newline="") as f:
            table = csv.writer(f)
            table.writerow(["id", "package", "probability", "label"])
            for i, logit in enumerate(logits.tolist()):
                probability = 1 / (1 + math.exp(-logit))
                label = ("normal", "defect")[self.labels[i]]
                table.writerow([self.ids[i], self.packages[i], probability, label])


def augmented(x, a):
    """Moves and rotates an image, changes each channel's contrast and brightness, blanks some channels, and adds noise.

    x: [C,S,S] normalised -> the same
    """
    c, side = x.shape[0], x.shape[-1]
    within = lambda limit, *shape: limit * (2 * torch.rand(shape) - 1)
    if a["shift"] or a["rotate"]:
        turn, moved = within(a["rotate"]).item() * math.pi / 180, within(a["shift"], 2) * 2 * side / (side - 1)
        theta = torch.tensor([[math.cos(turn), -math.sin(turn), moved[0]], [math.sin(turn), math.cos(turn), moved[1]]])
        grid = F.affine_grid(theta[None], (1, c, side, side), align_corners=True)
        x = F.grid_sample(x[None], grid, padding_mode="border", align_corners=True)[0]
    gain, offset = 1 + within(a["gain"], c), within(a["offset"], c)
    dropped = torch.rand(c) < a["channelDropout"]
    dropped[torch.randint(c, ())] = False  # one channel always stays
    gain[dropped], offset[dropped] = 0, 0
    x = x * gain.reshape(-1, 1, 1) + offset.reshape(-1, 1, 1)
    return x + a["noise"] * torch.randn_like(x) if a["noise"] else x


def loader(o, images, batch, chosen=None, drop_last=False):
    return DataLoader(
        images,
        batch,
        sampler=chosen,
        num_workers=o.workers,
        persistent_workers=o.workers > 0,
        drop_last=drop_last,
    )


def sampler(labels, counts, exponent, batch):
    """Returns a sampler of as many whole batches as are needed to hold every sample once."""
    n = math.ceil(len(labels) / batch) * batch
    if not exponent:
        return RandomSampler(labels, num_samples=n)
    return WeightedRandomSampler((counts.astype(float) ** -exponent)[labels], n)


def weights_in_loss(counts, imbalance):
    if beta := imbalance["effectiveNumber"]:
        return torch.tensor([1, (1 - beta ** counts[0]) / (1 - beta ** counts[1])], dtype=torch.float32)
    return torch.tensor([1, (counts[0] / counts[1]) ** imbalance["lossWeight"]], dtype=torch.float32)


class Trainer:
    """A network with its optimizer, schedule and averages, in one of two phases: the head alone, then all layers."""

    def __init__(self, o, manifest, class_weight):
        self.h, self.class_weight = manifest["settings"]["hyperparameters"], class_weight
        self.net = network(manifest, o.pretrained).to(memory_format=torch.channels_last)
        self.forward = torch.compile(self.net) if o.compile else self.net
        self.head = self.h["headEpochs"] > 0
        self.begin()

    def begin(self):
        """Begins a phase with a new optimizer, and with averages that start from the current weights."""
        self.step = 0
        for name, p in self.net.named_parameters():
            p.requires_grad = not self.head or name in ("conv1.weight", "fc.weight", "fc.bias")
        self.optimizer = optimizer_of(self.net, self.h, self.head)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.averaged = None
        if self.h["ema"]:
            self.averaged = AveragedModel(self.net, multi_avg_fn=self.average, use_buffers=True)
            self.averaged.update_parameters(self.net)  # the first call copies the weights

    def begin_all(self, o, images):
        if self.h["batchNorm"] == "freeze":
            plain = copy.copy(images)
            plain.augment = None
            part = self.h["batchSize"] // self.h["accumulate"]
            self.net.train()
            update_bn(loader(o, plain, min(part, len(plain)), RandomSampler(plain), drop_last=True), self.net)
        self.head = False
        self.begin()

    @torch.no_grad()
    def average(self, averages, values, _):
        share = 1 - min(self.h["ema"], (1 + self.step) / (10 + self.step))
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, values, share)

    def kept(self):
        return self.averaged.module if self.averaged else self.net

    def epoch(self, batches, epoch):
        h, total = self.h, 0.0
        self.net.train()
        if not self.head and h["batchNorm"] == "freeze":
            for module in self.net.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.eval()
        for at, (x, labels) in enumerate(batches):
            self.schedule(epoch * len(batches) + at, len(batches))
            weights = self.class_weight[labels]
            self.optimizer.zero_grad()
            for part in torch.arange(len(labels)).chunk(h["accumulate"]):
                with torch.autocast("cpu", torch.bfloat16, enabled=h["precision"] == "bfloat16"):
                    logits = self.forward(x[part].to(memory_format=torch.channels_last))
                smoothing = h["labelSmoothing"]
                ce = F.cross_entropy(logits.float(), labels[part], reduction="none", label_smoothing=smoothing)
                loss = (ce * weights[part]).sum() / weights.sum()
                loss.backward()
                total += loss.item() / len(batches)
            if h["clipNorm"]:
                torch.nn.utils.clip_grad_norm_(self.net.parameters(), h["clipNorm"], foreach=True)
            self.optimizer.step()
            self.step += 1
            if self.averaged:
                self.averaged.update_parameters(self.net)
        return total

    def schedule(self, position, per_epoch):
        """Sets the learning rate: constant while the head alone is trained, then a linear warm-up and a cosine."""
        h, factor = self.h, 1.0
        position -= h["headEpochs"] * per_epoch
        warmup, total = h["warmupEpochs"] * per_epoch, (h["epochs"] - h["headEpochs"]) * per_epoch
        if 0 <= position < warmup:
            factor = (position + 1) / warmup
        elif position >= 0 and h["schedule"] == "cosine":
            factor = (1 + math.cos(math.pi * (position - warmup) / (total - warmup))) / 2
        for group, rate in zip(self.optimizer.param_groups, self.rates):
            group["lr"] = rate * factor

    @torch.no_grad()
    def score(self, batches):
        net = self.kept().eval()
        logits = torch.cat([net(x.to(memory_format=torch.channels_last)) for x, _ in batches])
        return (logits[:, 1] - logits[:, 0]).numpy()


def network(manifest, pretrained):
    """Returns timm's network, with random weights or with those of a file in timm's names.

    Its blocks are Keras' older ones if the manifest says so.
    """
    architecture, channels = manifest["architecture"], len(manifest["input"]["channels"])
    net = timm.create_model(f"resnet{architecture['depth']}", num_classes=2, in_chans=channels)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = architecture["epsilon"]
        if architecture["block"] == "v1" and hasattr(module, "conv3"):
            module.conv1.stride, module.conv2.stride = module.conv2.stride, module.conv1.stride
    if pretrained:
        if (how := manifest["settings"]["pretrained"]["inputAdaptation"]) != "tile":
            raise SystemExit(
                "this program adapts the first convolution as timm does, by tile; "
                f"the checkpoint's was adapted by {how}"
            )
        state = {k: v for k, v in load_file(pretrained).items() if not k.startswith("fc.")}
        state["conv1.weight"] = adapt_input_conv(channels, state["conv1.weight"])
        keys = net.load_state_dict(state, strict=False)
        missing = [k for k in keys.missing_keys if not k.startswith("fc.") and "num_batches" not in k]
        if keys.unexpected_keys or missing:
            raise SystemExit(f"the weights in {pretrained} are not those of this network: {keys}")
    return net


def optimizer_of(net, h, head):
    """Returns an optimizer: only kernels and matrices decay, and each stage has its share of the head's rate."""
    groups = {}
    for name, p in net.named_parameters():
        if not p.requires_grad:
            continue
        factor, stage = 1.0, name.split(".")[0]
        if not head and stage != "fc":
            below = 4 - int(stage[-1]) if stage.startswith("layer") else 4
            factor = h["backboneFactor"] * h["layerDecay"] ** below
        decay = h["weightDecay"] if p.ndim > 1 else 0
        groups.setdefault((h["learningRate"] * factor, decay), []).append(p)
    groups = [{"params": params, "lr": rate, "weight_decay": decay} for (rate, decay), params in groups.items()]
    if h["optimizer"] == "sgd":
        return torch.optim.SGD(groups, momentum=h["momentum"], fused=True)
    return torch.optim.AdamW(groups, betas=(h["beta1"], h["beta2"]), eps=h["epsilon"], fused=True)


def peak_mib():
    """Returns the largest memory of this process in MiB, without that of the processes that decode images."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) // 1024 for line in f if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
