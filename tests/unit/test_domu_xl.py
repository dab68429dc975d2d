"""The table of `xl list`, as Xen 4.17 and 4.20 print it."""

from xen_legi.domu.xl import Domain, parse_list

TABLE = """\
Name                                        ID   Mem VCPUs\tState\tTime(s)
Domain-0                                     0  1024     2     r-----     171.5
web1                                         3   512     1     -b----      20.1
a-name-that-is-longer-than-the-forty-columns-of-the-table    12   128     1     --p---       0.0
(null)                                       7     1     1     --ps-d       9.9
two words                                    8    64     4     ------       1.0
"""


def test_the_table_is_read_from_the_right() -> None:
    assert parse_list(TABLE) == [
        Domain(0, "Domain-0", "running", 1024, 2, 171.5),
        Domain(3, "web1", "running", 512, 1, 20.1),
        Domain(12, "a-name-that-is-longer-than-the-forty-columns-of-the-table", "paused", 128, 1, 0.0),
        Domain(7, "(null)", "dying", 1, 1, 9.9),
        Domain(8, "two words", "running", 64, 4, 1.0),
    ]
