# shellcheck shell=sh
# What roles for xen-create-image read as /usr/share/xen-tools/common.sh. On a host without xen-tools "xen-legi create" shows
# them this file there: the same functions, by what they are said to do. PREFIX is the guest's tree in dom0.
#
# As with xen-tools a package that cannot be installed does not end the role (its own roles name some that Debian has no more);
# here a warning says so. Other than there, assert does end it.

# logMessage WORD...: print them, if create is to be verbose
logMessage() { [ -z "${verbose:-}" ] || echo "$*"; }

# assert [LINE] WORD...: end the role, unless the only word is not empty, or several are true for test(1)
assert() {
    [ $# -lt 2 ] || case $1 in *[!0-9]*) ;; *) shift ;; esac # dash has no LINENO: it is empty
    if [ $# -eq 1 ] && [ -n "$1" ]; then return 0; fi
    if [ $# -gt 1 ] && test "$@"; then return 0; fi
    echo "${0##*/}: assert failed: $*" >&2
    exit 1
}

# installDebianPackage PREFIX WORD...: packages, and perhaps options for apt-get; nothing that they only recommend
installDebianPackage() {
    assert -d "${1:-}"
    (
        prefix=$1
        shift
        installDebianPackageAndRecommends "$prefix" -o APT::Install-Recommends=false "$@"
    )
}

# installDebianPackageAndRecommends PREFIX WORD...: no daemon among them is started
installDebianPackageAndRecommends() {
    assert -d "${1:-}"
    (
        set +e
        prefix=$1
        shift
        logMessage "Installing into $prefix: $*"
        # in the guest itself, whose links lead nowhere else there; a policy that is there for good stays
        # shellcheck disable=SC2016 # the inner shell's own variable
        policy=$(chroot "$prefix" sh -c '
            policy=/usr/sbin/policy-rc.d
            [ ! -e "$policy" ] && printf "#!/bin/sh\nexit 101\n" >"$policy" && chmod 755 "$policy" && echo "$policy"')
        DEBIAN_FRONTEND=noninteractive chroot "$prefix" /usr/bin/apt-get -q --yes install "$@" </dev/null
        status=$?
        [ -z "$policy" ] || chroot "$prefix" rm -f "$policy"
        [ "$status" -eq 0 ] || echo "xen-legi: warning: role ${0##*/}: apt-get install $*: exit status $status"
        exit 0
    )
}

# removeDebianPackage PREFIX PACKAGE...: its settings, too; the status is that of apt-get
removeDebianPackage() {
    assert -d "${1:-}"
    (
        prefix=$1
        shift
        logMessage "Purging from $prefix: $*"
        DEBIAN_FRONTEND=noninteractive chroot "$prefix" /usr/bin/apt-get -q --yes --purge remove "$@" </dev/null
    )
}

# disableStartStopDaemon PREFIX: until enableStartStopDaemon PREFIX these programs of the guest do nothing
disableStartStopDaemon() {
    assert -d "${1:-}"
    # shellcheck disable=SC2016 # the inner shell's own variables
    chroot "$1" sh -ec '
        for program in /sbin/start-stop-daemon /sbin/initctl; do
            [ -e "$program" ] && [ ! -e "$program.REAL" ] || continue
            mv "$program" "$program.REAL"
            printf "#!/bin/sh\necho %s does nothing now\n" "$program" >"$program"
            chmod 755 "$program"
        done'
    logMessage "start-stop-daemon does nothing in $1"
}

enableStartStopDaemon() {
    assert -d "${1:-}"
    # shellcheck disable=SC2016 # the inner shell's own variables
    chroot "$1" sh -ec '
        for program in /sbin/start-stop-daemon /sbin/initctl; do
            [ ! -e "$program.REAL" ] || mv "$program.REAL" "$program"
        done'
    logMessage "start-stop-daemon works again in $1"
}

# isDeb PREFIX, isYum PREFIX: tell what the packages there are
isDeb() { [ -x "${1:-}/usr/bin/apt-get" ] && [ -x "${1:-}/usr/bin/dpkg" ]; }
isYum() { [ -x "${1:-}/usr/bin/yum" ]; }

# installPackage PREFIX PACKAGE
installPackage() {
    assert -d "${1:-}"
    isDeb "$1" || _xen_legi_cannot installPackage "the guest has no apt-get" || return 1
    installDebianPackage "$@"
}

# What a guest of "xen-legi create" has no use for: it is a Debian, and does not boot by pygrub.
installRPMPackage() { _xen_legi_cannot installRPMPackage "there is installDebianPackage"; }
installCentOS4Package() { _xen_legi_cannot installCentOS4Package "there is installDebianPackage"; }
installGentooPackage() { _xen_legi_cannot installGentooPackage "there is installDebianPackage"; }
generateDebianGrubMenuLst() { _xen_legi_cannot generateDebianGrubMenuLst "the guest's kernel is in dom0"; }

_xen_legi_cannot() {
    echo "${0##*/}: $1 is not supported by xen-legi create: $2" >&2
    return 1
}
