# Each target calls one script; the scripts need no make.

demo:       # show all of it on two nested dom0s
	lab/demo
test:       # every test
	tests/run
test-long:  # make test-long GROUP=name; without GROUP: the groups and their last results
	tests/run-long $(GROUP)
proof:      # write docs/proof.md from the last results
	tests/run-long --proof
bench-net:  # how long many VLANs take, in all the ways there are
	tests/bench/net
bench-create: # how long a new domU takes, and how soon it answers
	tests/bench/create
bench-backup: # how long a night's copy takes, in our ways and others
	tests/bench/backup
lab:        # the two plain hosts
	lab/lab up
deb:        # the packages, in out/deb
	debian/tools/deb
repo:       # the packages as a repository for apt, in out/repo
	debian/tools/repo

.PHONY: demo test test-long proof bench-net bench-create bench-backup lab deb repo
