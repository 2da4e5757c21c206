"""What the PyTorch benchmarks print: one JSON document, as test/bench/document.ts describes it."""

import json
import os
import platform

import torch


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            return next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def machine(device):
    described = {
        "cores": os.cpu_count(),
        "cpu": processor(),
        "memoryBytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if device.type == "cuda":
        described |= {
            "gpu": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return described


def print_document(bench, settings, device, repeats, results):
    document = {"bench": bench, "settings": settings, "machine": machine(device), "repeats": repeats}
    print(json.dumps(document | {"results": results}))
