"""Detached signatures of files, made and checked by ``ssh-keygen``; nothing is signed by us.

A seal is a checksum, which anyone can compute again. Who needs to know who made a report signs the
finished file with a key (``ssh-keygen -Y sign -n iaside-report -f KEY REPORT`` writes REPORT.sig)
and says which keys are trusted in a file of allowed signers (see ``man ssh-keygen``).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from ..errors import InvalidOption, ReportError, UsageError
from ..spelling import option
from ..storage.opening import check_is_file
from .verification import Check

NAMESPACE = "iaside-report"
_SECONDS = 60


def check_signature(
    report: Path, signers: Path | None, identity: str | None, signature: Path | None
) -> Check | None:
    """Ask ``ssh-keygen`` for the signature of a file; None where nobody asked.

    Parameters
    ----------
    signers : Path or None
        Keys that are trusted: lines of an identity and a public key.
    identity : str or None
        Who must have signed; None: anyone of these.
    signature : Path or None
        By default the report's name with ``.sig`` behind it.
    """
    if signers is None:
        if identity is not None or signature is not None:
            both = f"{option('identity')} and {option('signature')}"
            raise UsageError(f"{both} go with {option('allowed_signers')}")
        return None
    check_is_file(report)
    if not signers.is_file():
        raise InvalidOption("allowed_signers", signers, "no such file")
    proof = signature or report.with_name(report.name + ".sig")
    if not proof.is_file():
        return Check("signature", False, f"there is none: {proof} does not exist")
    tool = shutil.which("ssh-keygen")
    if tool is None:
        needs = option("allowed_signers")
        raise UsageError(f"{needs} needs ssh-keygen (OpenSSH 8.2 or later), not found")
    if identity is None:
        output = _run([tool, "-Y", "find-principals", "-s", str(proof), "-f", str(signers)], None)
        names = (output or "").splitlines()
        if not names:
            return Check("signature", False, f"{proof} is not by a key in {signers}")
        identity = names[0]
    command = [tool, "-Y", "verify", "-f", str(signers), "-I", identity, "-n", NAMESPACE]
    if _run([*command, "-s", str(proof)], report) is None:
        text = f"{proof} is not a signature of this file by {identity}, for '{NAMESPACE}'"
        return Check("signature", False, text)
    return Check("signature", True, f"signed by {identity}, as {signers} has the key")


def demand_signature(
    report: Path, signers: Path | None, identity: str | None, signature: Path | None = None
) -> None:
    """Refuse a file that is not signed as `check_signature` asks; nothing where nobody asked."""
    signed = check_signature(report, signers, identity, signature)
    if signed is not None and not signed.holds:
        demand = option("allowed_signers")
        raise ReportError(f"{report}: is not signed as {demand} demands: {signed.text}")


def _run(command: list[str], content: Path | None) -> str | None:
    """What a command prints; None where it says no."""
    try:
        with Path(os.devnull if content is None else content).open("rb") as given:
            done = subprocess.run(  # noqa: S603 (a program found on the path, without a shell)
                command, stdin=given, capture_output=True, check=False, timeout=_SECONDS
            )
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"ssh-keygen does not answer within {_SECONDS} seconds") from error
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
