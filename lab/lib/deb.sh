# shellcheck shell=bash
# The inner loop: build our packages, bring their repository to the machines, upgrade what is installed there.

REPOSITORY=$LAB_DIR/../out/repo

build_packages() {
    [[ ! -e $LAB_DIR/../Makefile ]] || make --no-print-directory -s -C "$LAB_DIR/.." deb repo >&2 9>&-
    [[ -e $REPOSITORY/xen-legi.sources ]] || die "there is no repository in out/repo" "make repo makes it"
}

# On a machine: prints the names of our packages that are installed there.
OURS="dpkg-query -W -f '\${db:Status-Abbrev} \${Package}\n' 'xen-legi*' 2>/dev/null | sed -n 's/^ii *//p'"

# On a machine: read only this source, then bring every package of it that is installed to the version in it. Versions may be
# equal when only the content changed, so they are installed again.
install_script() {
    cat <<END
set -eu
ours=\$($OURS)
END
    cat <<'END'
install -m 644 /srv/xen-legi-repo/xen-legi.sources /etc/apt/sources.list.d/xen-legi.sources
apt-get update -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::SourceList=/etc/apt/sources.list.d/xen-legi.sources -o APT::Get::List-Cleanup=0
[ -z "$ours" ] || DEBIAN_FRONTEND=noninteractive apt-get install --yes -q --reinstall --allow-downgrades -o Dpkg::Options::=--force-confold $ours
END
}

# What says on a machine which repository its packages were brought to; it goes away with that repository.
INSTALLED=/srv/xen-legi-repo/.installed

# has_these HOST: the machine has the packages of exactly this repository, whole, as after a restored state it may.
has_these() {
    local said
    [[ -s $REPOSITORY/.sources ]] || return 1
    said=$(on "$1" "cat $INSTALLED 2>/dev/null && dpkg --audit && dpkg --verify \$($OURS) | grep -v ' c /'" || true)
    [[ $said == "$(cat "$REPOSITORY/.sources")" ]]
}

# deb_to HOST
deb_to() {
    local log=$LAB_CACHE/$LAB_SUITE/$1.deb.log
    ! has_these "$1" || return 0
    {
        tar -C "$REPOSITORY" -cf - . | inside ssh -F "$SSH_CONFIG" "$1" \
            'rm -rf /srv/xen-legi-repo && mkdir -p /srv/xen-legi-repo && tar -C /srv/xen-legi-repo --no-same-owner -xf -' 9>&- &&
            on "$1" "$(install_script)" && on "$1" "cp /srv/xen-legi-repo/.sources $INSTALLED"
    } >"$log" 2>&1 || fail "installing on $1 failed: $(tail -n 1 "$log")" "all of it: $log"
}
