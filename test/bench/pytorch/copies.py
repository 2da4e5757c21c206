"""Bytes a second between GPU and page-locked memory, by PyTorch: the reference for the arena's copies.

python3 test/bench/pytorch/copies.py
"""

import argparse
import statistics

import torch
from document import print_document


def seconds_of(copy, repeats):
    """Median seconds of one copy by the device's own clock; the first ones warm up."""
    for _ in range(3):
        copy()
    measured = []
    for _ in range(repeats):
        before, behind = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        before.record()
        copy()
        behind.record()
        behind.synchronize()
        measured.append(before.elapsed_time(behind) / 1000)
    return statistics.median(measured)


def measure(mebibytes, repeats):
    size = mebibytes << 20
    host = torch.empty(size, dtype=torch.uint8, pin_memory=True)
    device = torch.empty(size, dtype=torch.uint8, device="cuda")
    out = seconds_of(lambda: host.copy_(device, non_blocking=True), repeats)
    back = seconds_of(lambda: device.copy_(host, non_blocking=True), repeats)
    return {
        "engine": "pytorch",
        "bytes": size,
        "deviceToHostSeconds": out,
        "hostToDeviceSeconds": back,
        "deviceToHostBytesPerSecond": size / out,
        "hostToDeviceBytesPerSecond": size / back,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mebibytes", type=int, nargs="+", default=[1, 4, 16, 64, 256])
    parser.add_argument("--repeats", type=int, default=20)
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("PyTorch sees no GPU here")
    results = [measure(mebibytes, asked.repeats) for mebibytes in asked.mebibytes]
    print_document("copies", {"memory": "page-locked"}, torch.device("cuda"), asked.repeats, results)


if __name__ == "__main__":
    main()
