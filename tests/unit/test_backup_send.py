"""What a person is told of a transfer that failed."""

from xen_legi.backup import destination, send
from xen_legi.errors import CommandFailed


def test_the_file_that_could_not_be_read_is_named_however_much_was_printed_after_it() -> None:
    error = CommandFailed(("rsync",), 23, "the end of\na long table\nrsync error: some files were not transferred\n")
    printed = ['rsync: [sender] read errors mapping "/run/x/etc/victim": Input/output error (5)', *["a number: 1"] * 30]
    problem = send._problem(error, destination.local("vg1"), "web1-disk", printed)
    assert "etc/victim" in problem.message and "a number" not in problem.message
    assert problem.message.startswith("web1-disk to vg1: some files could not be read or written")
