"""The kernels with which domUs boot, kept in dom0."""
