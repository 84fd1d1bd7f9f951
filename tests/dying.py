"""Jobs in processes that the system ends in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from .conftest import ROOT

# The timer counts the processor's time of the process, so a busy machine changes nothing; its
# signal ends the process at whatever it is doing, and nothing cleans up.
_CODE = """
import json, signal, sys
import iaside_onnx as ia

name, *paths, told = sys.argv[1:]
told = json.loads(told)
done = 0


def advance(passes):
    global done
    done += passes
    if done >= told["after"] and signal.getitimer(signal.ITIMER_PROF)[0] == 0:
        signal.setitimer(signal.ITIMER_PROF, told["pause"])


listener = ia.Listener(advance=advance)
getattr(ia, name)(*paths, resume=True, listener=listener, **told["options"])
"""


def dies(name: str, *paths: Path, after: int, pause: float, **options: Any) -> bool:
    """Go on with a job of the package until it is killed.

    That happens `pause` seconds of computing after `after` forward passes. False: it ended before.
    """
    told = json.dumps({"after": after, "pause": pause, "options": options})
    command = [sys.executable, "-c", _CODE, name, *map(str, paths), told]
    ended = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode in (0, -signal.SIGPROF), ended.stderr
    return ended.returncode != 0
