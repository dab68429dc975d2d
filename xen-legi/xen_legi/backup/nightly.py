"""A whole run: what killed runs left is removed, the receivers are asked, then one domU after the other is copied."""

import secrets
import time
import traceback
from collections.abc import Sequence
from datetime import datetime

from xen_legi.backup import ghost, job, namespace, plan, report, state
from xen_legi.backup.destination import Destination
from xen_legi.backup.job import Options, Receiver
from xen_legi.backup.plan import Domu
from xen_legi.backup.report import Row
from xen_legi.domu.config import DomuConfig
from xen_legi.errors import Problem
from xen_legi.steps import named_point, say, step
from xen_legi.storage import lvm


def run_name() -> str:
    """Return a name for this run that no other run has or had."""
    return f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def run(configs: Sequence[DomuConfig], destinations: Sequence[Destination], options: Options) -> list[Row]:
    """Copy these domUs to these destinations and return the rows of the report. One failure never stops the others."""
    reap()
    receivers = [ask(one) for one in destinations]
    named_point("backup:receivers-asked")
    namespace.enter()
    rows = []
    for config in configs:
        domu = plan.examine(config, lvm.volumes(), plan.method_of)
        rows += _one(domu, receivers, options)
    return rows


def reap() -> None:
    """Remove what killed runs have left on this host."""
    for name in ghost.reap():
        say(f"• removed the ghost {name} that a killed run has left")
    named_point("backup:reaped")


def ask(where: Destination) -> Receiver:
    """Ask a receiver what it has."""
    try:
        answer = where.call("status", timeout=60)
        return Receiver(where, {str(one["domu"]): one for one in answer["copies"]}, _old_rsync(where, str(answer["rsync"])))
    except Problem as problem:
        say(f"• {problem.message}")
        return Receiver(where, {}, problem)


def _one(domu: Domu, receivers: Sequence[Receiver], options: Options) -> list[Row]:
    began = time.monotonic()
    try:
        with step(f"domU {domu.name}"):
            return job.back_up(domu, receivers, options)
    except Problem as problem:
        reason, hint = problem.message, problem.hint
    except Exception as error:  # a bug in one domU's copy must not cost the others theirs
        traceback.print_exc()
        reason, hint = f"a bug in backup-domu: {error!r}", "please report the lines above"
    took = time.monotonic() - began
    return [job.unreached(domu, one) or report.failed(domu.name, one.where.name, reason, hint, took) for one in receivers]


def _old_rsync(where: Destination, version: str) -> Problem | None:
    """Return a problem if one of the two rsyncs is older than what a supported Debian has with its security fixes."""
    for host, said in ((where.name, version), (state.host(), state.rsync_version())):
        if numbers(said) < state.SAFE_RSYNC:
            wanted = ".".join(map(str, state.SAFE_RSYNC))
            return Problem(f"rsync {said} of {host} is older than {wanted} and not safe", hint="upgrade it there", status=1)
    return None


def numbers(version: str) -> tuple[int, ...]:
    """Given 3.5.0, return (3, 5, 0)."""
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
