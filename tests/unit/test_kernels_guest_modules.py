"""The modules that a domU gets, copied by the real rsync."""

from pathlib import Path

import pytest

from xen_legi.install.copying import copy_tree
from xen_legi.kernels.guest_modules import rsync_options

KEPT = [
    "modules.dep", "kernel/fs/xfs/xfs.ko", "kernel/net/802/8021q.ko", "kernel/drivers/net/xen-netfront.ko",
    "kernel/drivers/block/xen-blkfront.ko", "kernel/drivers/scsi/iscsi_tcp.ko",
    "kernel/drivers/scsi/device_handler/scsi_dh_rdac.ko",
    "kernel/drivers/usb/host/xen-hcd.ko", "kernel/drivers/infiniband/sw/rxe/rdma_rxe.ko",
    "kernel/drivers/net/wireguard/wireguard.ko",
    "kernel/crypto/aes_ti.ko", "updates/dkms/sound/mine.ko",
]
HARDWARE = [
    "kernel/sound/core/snd.ko", "kernel/drivers/gpu/drm/drm.ko", "kernel/drivers/net/ethernet/intel/e1000/e1000.ko",
    "kernel/drivers/scsi/qla2xxx/qla2xxx.ko", "kernel/drivers/media/rc/rc-core.ko",
]


@pytest.mark.parametrize("choice, want", [("guest", KEPT), ("all", KEPT + HARDWARE)])
def test_a_domu_gets_no_drivers_of_hardware_unless_it_is_to_have_all(tmp_path: Path, choice: str, want: list[str]) -> None:
    for name in KEPT + HARDWARE:
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).touch()
    (tmp_path / "to").mkdir()
    copy_tree(tmp_path / "from", tmp_path / "to", what="copied", options=rsync_options(choice))
    have = [str(path.relative_to(tmp_path / "to")) for path in (tmp_path / "to").rglob("*") if path.is_file()]
    assert sorted(have) == sorted(want)
