# shellcheck shell=sh
# What the roles share that need a Debian. A role reads this file first; $1 is the guest's tree in dom0. A role's settings are
# lines NAME=VALUE in dom0's /etc/xen-legi/roles.conf, or in its environment, which wins: --role-args go to every role alike.
# Each can be run again.
# shellcheck source=xen-legi/roles/lib/tree.sh
. "$(dirname "$(readlink -f "$0")")/lib/tree.sh"

[ -x "$(at usr/bin/apt-get)" ] || fail "$guest holds no Debian: it has no apt-get"
called_with=$(export -p)
# shellcheck disable=SC1091 # it is the administrator's
[ ! -e /etc/xen-legi/roles.conf ] || . /etc/xen-legi/roles.conf
eval "$called_with"

# in_guest COMMAND WORD...: as root of the guest, with a copy of dom0's resolv.conf
in_guest() {
    # shellcheck disable=SC2016 # the inner shell's own variables
    unshare --mount sh -euc '
        guest=$1
        resolv=$2
        shift 2
        if [ -f "$resolv" ] && [ ! -L "$resolv" ] && [ -e /etc/resolv.conf ]; then
            copy=$(mktemp)
            cat /etc/resolv.conf >"$copy"
            chmod 644 "$copy"
            mount --bind "$copy" "$resolv"
            rm "$copy"
        fi
        exec chroot "$guest" env PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
    ' sh "$guest" "$(at etc)/resolv.conf" "$@" </dev/null
}

# shellcheck disable=SC2016 # dpkg-query's own
is_installed() { [ "$(in_guest dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# install_packages PACKAGE...: without what they recommend, and without starting anything
install_packages() {
    wanted=
    for package; do
        is_installed "$package" || wanted="$wanted $package"
    done
    [ -n "$wanted" ] || return 0
    policy=$(at usr/sbin)/policy-rc.d
    if { [ ! -e "$policy" ] && [ ! -L "$policy" ]; } || grep -qsx '# roles of xen-legi' "$policy"; then # else it stays
        trap 'rm -f "$policy"' EXIT
        trap 'exit 1' HUP INT TERM # dash runs no EXIT trap at a signal
        printf '#!/bin/sh\n# roles of xen-legi\nexit 101\n' | put usr/sbin/policy-rc.d 755
    fi
    in_guest apt-get -q update || fail "the guest's package lists cannot be fetched" "look at its /etc/apt/sources.list"
    # shellcheck disable=SC2086 # a list of words
    in_guest apt-get -q -y --no-install-recommends install $wanted || fail "not installed:$wanted" "see what apt says above"
    in_guest apt-get clean
}
