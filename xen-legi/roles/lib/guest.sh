# shellcheck shell=sh
# What the roles share. A role reads this file first; $1 is the guest's tree in dom0. A role's settings are lines NAME=VALUE in
# dom0's /etc/xen-legi/roles.conf, or in its environment: --role-args go to every role alike. Each can be run again.
set -eu
guest=${1:-}
role=${0##*/}

fail() {
    echo "$role: $1" >&2
    [ $# -lt 2 ] || echo "  hint: $2" >&2
    exit 1
}

case $(readlink -f "$guest") in
    "" | /) fail "no guest was named" "a role is called as $role DIRECTORY" ;;
esac
[ -x "$guest/usr/bin/apt-get" ] || fail "$guest holds no Debian: it has no apt-get"
# shellcheck disable=SC1091 # it is the administrator's
[ ! -e /etc/xen-legi/roles.conf ] || . /etc/xen-legi/roles.conf

# in_guest COMMAND WORD...: as root of the guest, with a copy of dom0's resolv.conf
in_guest() {
    # shellcheck disable=SC2016 # the inner shell's own variables
    unshare --mount sh -euc '
        guest=$1
        shift
        if [ -f "$guest/etc/resolv.conf" ] && [ ! -L "$guest/etc/resolv.conf" ] && [ -e /etc/resolv.conf ]; then
            copy=$(mktemp)
            cat /etc/resolv.conf >"$copy"
            chmod 644 "$copy"
            mount --bind "$copy" "$guest/etc/resolv.conf"
            rm "$copy"
        fi
        exec chroot "$guest" env PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
    ' sh "$guest" "$@" </dev/null
}

is_installed() { [ "$(in_guest dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# install_packages PACKAGE...: without what they recommend, and without starting anything
install_packages() {
    wanted=
    for package; do
        is_installed "$package" || wanted="$wanted $package"
    done
    [ -n "$wanted" ] || return 0
    policy=$guest/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ] || grep -qx '# roles of xen-legi' "$policy"; then # else it is there for good
        trap 'rm -f "$policy"' EXIT
        trap 'exit 1' HUP INT TERM # dash runs no EXIT trap at a signal
        printf '#!/bin/sh\n# roles of xen-legi\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    in_guest apt-get -q update || fail "the guest's package lists cannot be fetched" "look at its /etc/apt/sources.list"
    # shellcheck disable=SC2086 # a list of words
    in_guest apt-get -q -y --no-install-recommends install $wanted || fail "not installed:$wanted" "see what apt says above"
    in_guest apt-get clean
}

# put FILE [MODE]: standard input becomes a file of the guest
put() {
    mkdir -p "$guest/${1%/*}"
    cat >"$guest/$1.new"
    chmod "${2:-644}" "$guest/$1.new"
    mv "$guest/$1.new" "$guest/$1"
}
