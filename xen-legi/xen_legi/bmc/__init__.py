"""The BMC of this host and those of the others, by ipmitool."""
