"""Any file is read right or refused by name: never altered, never a traceback, never a signal."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest


def outcomes(first, last, folder):
    program = Path(__file__).with_name("ways_in.py")
    command = [sys.executable, str(program), str(first), str(last), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"died after {lines[-1:]}: {done.stderr[-500:]}"
    return lines


def hold(lines, n):
    kinds = ("in_memory", "from_disk", "file")
    odd = [o for o in lines if not {o[k] for k in kinds if k in o} <= {"right", "refused"}]
    assert not odd, f"{len(odd)} of {n} files: {odd[:5]}"
    counted = Counter(o[k] for o in lines for k in kinds if k in o)
    assert len(lines) == n and min(counted["right"], counted["refused"]) > n / 5


def test_drawn_files_are_read_right_or_refused(tmp_path):
    hold(outcomes(0, 50, tmp_path), 50)


@pytest.mark.all
def test_five_hundred_drawn_files_are_read_right_or_refused(tmp_path):
    hold(outcomes(1_000, 1_500, tmp_path), 500)
