"""Seconds and memory of a training step in PyTorch, eager: what `npm run bench -- train` is compared with.

python3 test/bench/pytorch/train.py --model resnet50 --batch 64 --precision tf32 --layout NHWC
Several models with a batch each, precisions and layouts run one after the other in one process, and end in one document:
python3 test/bench/pytorch/train.py --model alexnet vgg16 --batch 128 64 --precision tf32 float32 --layout NHWC NCHW
"""

import argparse
import gc
import statistics
import sys
import time

import torch
from document import print_document
from networks import LEARNING_RATE, build
from torch import nn


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, nargs="+", choices=sorted(LEARNING_RATE))
    parser.add_argument("--batch", type=int, required=True, nargs="+", help="one for each model")
    parser.add_argument("--precision", default=["float32"], nargs="+", choices=["float32", "tf32"])
    parser.add_argument("--layout", default=["NCHW"], nargs="+", choices=["NCHW", "NHWC"])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--warm-up", type=int, default=10, help="steps that are not counted, at least 5")
    parser.add_argument("--steps", type=int, default=20, help="steps of a window")
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--exact-padding", action="store_true", help="the very function of the built-in program")
    asked = parser.parse_args()
    if len(asked.batch) != len(asked.model):
        parser.error(f"--batch: {len(asked.batch)} for {len(asked.model)} models; give one for each")
    if asked.warm_up < 5 or asked.steps < 1 or asked.windows < 1 or min(asked.batch) < 1:
        parser.error("--warm-up is 5 or more; --steps, --windows and --batch are 1 or more")
    if asked.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch sees no GPU here; give --device cpu")
    if asked.device == "cpu" and "tf32" in asked.precision:
        parser.error("tf32 is a format of GPUs; give --precision float32")
    return asked


def set_precision(precision):
    is_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = is_tf32
    torch.backends.cudnn.allow_tf32 = is_tf32
    torch.backends.cudnn.benchmark = True


def training_step(asked, device, fused):
    """A function that trains one step on a batch that lies on the device, and returns the loss as a tensor there."""
    torch.manual_seed(42)
    layout = torch.channels_last if asked.layout == "NHWC" else torch.contiguous_format
    network = build(asked.model, asked.image_size, asked.classes, asked.exact_padding)
    network = network.to(device=device, memory_format=layout).train()
    shape = (asked.batch, 3, asked.image_size, asked.image_size)
    x = torch.randn(shape, device=device).to(memory_format=layout)
    y = torch.randint(asked.classes, (asked.batch,), device=device)
    criterion = nn.CrossEntropyLoss()
    chosen = {"fused": True} if fused else {}  # otherwise PyTorch's own choice, which is foreach on a GPU
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE[asked.model], momentum=0.9, **chosen)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(network(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def window(step, steps, device):
    """Wall seconds of a step, over steps that are waited for at the end only, and the device's seconds of each."""
    if device.type == "cpu":
        marks = [time.perf_counter()]
        for _ in range(steps):
            step()
            marks.append(time.perf_counter())
        return (marks[-1] - marks[0]) / steps, [b - a for a, b in zip(marks, marks[1:])]
    events = [torch.cuda.Event(enable_timing=True) for _ in range(steps + 1)]
    torch.cuda.synchronize()
    started = time.perf_counter()
    events[0].record()
    for event in events[1:]:
        step()
        event.record()
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - started) / steps
    return seconds, [a.elapsed_time(b) / 1000 for a, b in zip(events, events[1:])]


def measure(asked, device, fused):
    is_gpu = device.type == "cuda"
    gc.collect()  # of an earlier network
    if is_gpu:
        torch.cuda.empty_cache()
    step = training_step(asked, device, fused)
    first = [step() for _ in range(asked.warm_up)]
    if is_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    windows = [window(step, asked.steps, device) for _ in range(asked.windows)]
    step_seconds = statistics.median(seconds for _, steps in windows for seconds in steps)
    window_seconds = statistics.median(seconds for seconds, _ in windows)
    return {
        "model": asked.model,
        "batch": asked.batch,
        "imageSize": asked.image_size,
        "world": 1,
        "engine": "pytorch",
        "variant": "fused" if fused else "default",
        "device": "gpu" if is_gpu else "cpu",
        "precision": asked.precision,
        "layout": asked.layout,
        "padding": "exact" if asked.exact_padding else "symmetric",
        "optimizer": "momentum",
        "residentBatch": True,
        "stepSeconds": step_seconds,
        "windowSeconds": window_seconds,
        "samplesPerSecond": asked.batch / window_seconds,
        "predictedPeakBytes": None,
        "measuredPeakBytes": None,
        "allocatorPeakBytes": torch.cuda.max_memory_allocated() if is_gpu else None,
        "allocatorReservedBytes": torch.cuda.max_memory_reserved() if is_gpu else None,
        "reservedPeakBytes": torch.cuda.max_memory_reserved() if is_gpu else None,
        "firstLosses": [float(loss) for loss in first[:5]],
        "loss": float(step()),
    }


def runs(asked):
    """What is asked for, once for each model, precision and layout."""
    for model, batch in zip(asked.model, asked.batch):
        for precision in asked.precision:
            for layout in asked.layout:
                one = {"model": model, "batch": batch, "precision": precision, "layout": layout}
                yield argparse.Namespace(**(vars(asked) | one))


def measured(one, device, fused):
    result = measure(one, device, fused)
    told = [one.model, one.batch, one.precision, one.layout, result["variant"]]
    print(*told, f"{1000 * result['windowSeconds']:.2f} ms a step", file=sys.stderr, flush=True)
    return result


def main():
    asked = options()
    device = torch.device(asked.device)
    results = []
    for one in runs(asked):
        set_precision(one.precision)
        results += [measured(one, device, fused) for fused in (False, True)]
    settings = {
        "model": asked.model,
        "batch": asked.batch,
        "imageSize": asked.image_size,
        "classes": asked.classes,
        "warmUpSteps": asked.warm_up,
        "windows": asked.windows,
        "cudnnBenchmark": True,
    }
    print_document("train", settings, device, asked.steps, results)


if __name__ == "__main__":
    main()
