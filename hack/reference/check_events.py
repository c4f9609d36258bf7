"""Checks that Python's TensorBoard reads the trainer's event files, and that they show what the trainer reported.

    PY=$(hack/reference/python.sh tensorflow "Python TensorFlow")
    $PY hack/reference/check_events.py read DIR                 # DIR: fit's --out, or <checkpoint uri>/<run uid>
    $PY hack/reference/check_events.py golden trainer/tensorboard/testdata/python.tfevents

"read" reads every event file below DIR, prints what it holds, and compares its scalars and PR curves with the reports
in the newest resume checkpoint beside it. Exit code 0: all agree. 1: some differ; the output names them. 2: DIR holds
no event file.

"golden" writes a file with Python's own encoders. A Go test compares the trainer's events with it, byte for byte.
"""

import argparse
import json
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalar
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.plugins.hparams import summary_v2 as hparams_summary
from tensorboard.plugins.image import metadata as image
from tensorboard.plugins.pr_curve import summary as pr_curve
from tensorboard.plugins.scalar import metadata as scalar
from tensorboard.plugins.text import summary_v2 as text

THRESHOLDS = 501

# For each scalar, the function that reads its value from a report.
SCALARS = {
    "loss/train": lambda r: r.get("trainLoss"),
    "schedule/learning_rate": lambda r: r.get("learningRate"),
    "throughput/images_per_second": lambda r: r["throughput"]["imagesPerSecond"],
    "throughput/input_wait": lambda r: r["throughput"].get("inputWait", 0),
    "throughput/epoch_seconds": lambda r: r["throughput"]["epochSeconds"],
} | {
    tag: lambda r, name=name: r.get("metrics", {}).get(name)
    for tag, name in {
        "auc_pr/epoch": "aucPR",
        "auc_pr/interval_low": "aucPRLow",
        "auc_pr/interval_high": "aucPRHigh",
        "decision/f1": "f1",
        "decision/precision": "precision",
        "decision/recall": "recall",
        "decision/threshold": "threshold",
        "loss/validation": "loss",
    }.items()
}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    verbs = p.add_subparsers(dest="verb", required=True)
    verbs.add_parser("read").add_argument("dir", type=pathlib.Path)
    verbs.add_parser("golden").add_argument("file", type=pathlib.Path)
    args = p.parse_args()
    if args.verb == "golden":
        return golden(args.file)
    files = sorted(args.dir.rglob("events.out.tfevents.*"))  # each writer's directory holds one
    if not files:
        print(f"check_events: no event file below {args.dir}", file=sys.stderr)
        return 2
    wrong = [f"{file}: {problem}" for file in files for problem in check(file, args.dir)]
    print("\n".join(wrong) if wrong else f"{len(files)} event files agree with the reports")
    return 1 if wrong else 0


def check(file, root):
    """Yields a sentence for each problem of an event file, and prints what the file holds."""
    unlimited = dict.fromkeys(("scalars", "tensors", "images"), 0)
    events = event_accumulator.EventAccumulator(str(file), size_guidance=unlimited)
    events.Reload()
    tags = events.Tags()
    print(f"\n{file.parent.relative_to(root)}  {file.stat().st_size} bytes")
    for tag in tags["scalars"]:
        points = events.Scalars(tag)
        print(f"  {tag:30} " + "  ".join(f"{p.step}: {p.value:.4g}" for p in points))
        steps = [p.step for p in points]
        if steps != sorted(set(steps)):
            yield f"{tag} has the steps {steps}"
    for tag in tags["tensors"]:
        yield from check_tensor(tag, events)
    reports = history(file.parent)
    if reports is None:
        print("  there is no resume checkpoint beside the file, so there are no reports to compare it with")
        return
    epochs = [r for r in reports if r["kind"] == "epoch"]
    for tag, value in SCALARS.items():
        want = {r["epoch"]: np.float32(value(r)) for r in epochs if value(r) is not None}
        got = {p.step: np.float32(p.value) for p in events.Scalars(tag)} if tag in tags["scalars"] else {}
        # The file may hold epochs that came after the newest checkpoint.
        if any(got.get(step) != v for step, v in want.items()):
            yield f"{tag} is {got} in the file and {want} in the reports"
    yield from check_curves(events, epochs)


def check_tensor(tag, events):
    """Prints the last tensor of a tag, and yields a sentence if it is a picture of another size than it says."""
    last = events.Tensors(tag)[-1]
    array = tf.make_ndarray(last.tensor_proto)
    metadata = events.SummaryMetadata(tag)
    plugin = metadata.plugin_data.plugin_name
    note = ""
    if plugin == "images":
        width, height, *pngs = array.tolist()
        sizes = {tuple(tf.io.decode_png(png).shape) for png in pngs}
        note = f"{len(pngs)} pictures of {width.decode()}x{height.decode()}"
        if sizes != {(int(height), int(width), 1)}:
            yield f"{tag} says {width}x{height} and holds pictures of {sizes}"
    elif plugin == "text":
        lines = array.item().decode().splitlines()
        note = f"{len(lines)} lines, the first {lines[0]!r}"
    elif plugin == "hparams":
        info = hparams.parse_session_start_info_plugin_data(metadata.plugin_data.content)
        note = f"group {info.group_name}, {len(info.hparams)} values, depth {info.hparams['depth'].number_value:g}"
    elif plugin == "custom_scalars":
        note = " ".join(str(layout_pb2.Layout.FromString(array.item())).split())
    print(f"  {tag:30} {plugin} {array.shape} at {[e.step for e in events.Tensors(tag)]} {note}")


def check_curves(events, epochs):
    """Yields a sentence for each PR curve that is not the one that the plug-in computes from the reported scores."""
    tag = "validation/pr_curves"
    curves = events.Tensors(tag) if tag in events.Tags()["tensors"] else []
    got = {e.step: tf.make_ndarray(e.tensor_proto) for e in curves}
    for r in epochs:
        if not r.get("scores"):
            continue
        summary = curve([s["label"] for s in r["scores"]], [s["logit"] for s in r["scores"]])
        want = tf.make_ndarray(summary.value[0].tensor)
        if r["epoch"] not in got or not np.array_equal(got[r["epoch"]], want):
            yield f"{tag} of epoch {r['epoch']} is not the curve that the plug-in computes from the scores"
    print(f"  compared the PR curves of epochs {sorted(got)} with the plug-in's own")


def curve(labels, logits, about=None):
    """Returns the plug-in's summary of a PR curve."""
    probabilities = 1 / (1 + np.exp(-np.array(logits)))
    return pr_curve.pb(
        "validation", np.array(labels, bool), probabilities, num_thresholds=THRESHOLDS, description=about
    )


def history(writer):
    """Returns the reports in the newest resume checkpoint of a writer, or None if it has none."""
    checkpoints = sorted(writer.glob("resume-*"))
    if not checkpoints:
        return None
    return [json.loads(line) for line in (checkpoints[-1] / "reports.jsonl").read_text().splitlines()]


def golden(path):
    """Writes the events that trainer/tensorboard TestEventsAreTheBytesThatPythonWrites writes from the same values."""

    def classed(value, data_class):
        value.metadata.data_class = data_class
        return value

    def one(tag, v, about):
        metadata = scalar.create_summary_metadata(display_name="", description=about)
        value = summary_pb2.Summary.Value(tag=tag, simple_value=v, metadata=metadata)
        return classed(value, summary_pb2.DATA_CLASS_SCALAR)

    def picture(tag, strings, about):
        metadata = image.create_summary_metadata(display_name=None, description=about)
        tensor = tf.make_tensor_proto(strings, tf.string, [len(strings)])
        value = summary_pb2.Summary.Value(tag=tag, metadata=metadata)
        value.tensor.ParseFromString(tensor.SerializeToString())
        return classed(value, summary_pb2.DATA_CLASS_BLOB_SEQUENCE)

    def first(summary):
        value = summary_pb2.Summary.Value.FromString(summary.value[0].SerializeToString())
        return classed(value, summary_pb2.DATA_CLASS_TENSOR)

    series = layout_pb2.MarginChartContent.Series(
        value="auc_pr/epoch", lower="auc_pr/interval_low", upper="auc_pr/interval_high"
    )
    margin = layout_pb2.MarginChartContent(series=[series])
    chart = layout_pb2.Chart(title="AUC-PR and its 95 % interval", margin=margin)
    layout = layout_pb2.Layout(category=[layout_pb2.Category(title="validation", chart=[chart])])
    began = 1764150000.25
    settings = "| setting | value |\n|---|---|\n| depth | 18 |\n"
    events = [
        event_pb2.Event(wall_time=began, file_version="brain.Event:2"),
        event_pb2.Event(
            wall_time=began,
            step=0,
            summary=summary_pb2.Summary(
                value=[
                    first(text.text_pb("settings", settings, "all settings of the trial")),
                    first(hparams_summary.hparams_pb({"depth": 18}, trial_id="d18-a1-local", start_time_secs=began)),
                    first(custom_scalar.pb(layout)),
                ]
            ),
        ),
        event_pb2.Event(
            wall_time=1764150061.5,
            step=300,  # two bytes as a varint
            summary=summary_pb2.Summary(
                value=[
                    one("loss/train", 0.6931471805599453, "weighted"),
                    one("throughput/input_wait", 0, ""),
                    first(
                        curve(
                            [0, 1, 1, 0, 1, 0, 0, 1],
                            [-2.5, 3.25, 0, 0.75, -1.125, 0.75, -40, 40],
                            "PR curve of each new best checkpoint; thresholds are calibrated probabilities",
                        )
                    ),
                    picture("mistakes/missed", [b"2", b"1", b"a picture", b""], "defects"),
                ]
            ),
        ),
    ]
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as f:
        for event in events:
            f.write(event.SerializeToString())
    return 0


if __name__ == "__main__":
    sys.exit(main())
