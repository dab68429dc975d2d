# shellcheck shell=bash
# Where this machine gets Debian from. No mirror's name is written in this tree: apt's own configuration is asked, whatever
# form it has (one-line .list, deb822 .sources, mirror lists).

# candidate_uris: every HTTP source that apt knows here, third parties' included.
candidate_uris() {
    apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | sort -u | while read -r uri; do
        case $uri in
            mirror+file:*) grep -m1 -oE 'https?://[^[:space:]]+' "${uri#mirror+file:}" || true ;;
            http://* | https://*) echo "$uri" ;;
        esac
    done
}

# has_release URI DISTRIBUTION: apt itself (its proxy, its certificates) reads the release file and finds Debian in it.
has_release() {
    local file
    file=$(mktemp)
    # apt's downloads are made by an unprivileged user where there is one
    chown _apt "$file" 2>/dev/null || true
    /usr/lib/apt/apt-helper download-file "${1%/}/dists/$2/InRelease" "$file" >/dev/null 2>&1 || true
    grep -qx 'Origin: Debian' "$file" && grep -q "^Codename: $2" "$file"
    local found=$?
    rm -f "$file"
    return "$found"
}

# find_mirror DISTRIBUTION: the first source that has it.
find_mirror() {
    local uri
    while read -r uri; do
        if has_release "$uri" "$1"; then
            echo "${uri%/}"
            return
        fi
    done < <(candidate_uris)
    return 1
}

stanza() {
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$1" "$2"
    printf 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n'
}

# debian_sources SUITE: the box's /etc/apt/sources.list.d/debian.sources.
debian_sources() {
    local suite=$1 main security
    main=$(find_mirror "$suite") || return 1
    stanza "$main" "$suite $suite-updates"
    # A machine whose sources have no security archive gives a box without one.
    security=$(find_mirror "$suite-security") || return 0
    stanza "$security" "$suite-security"
}

# apt_options: what the host's apt needs to reach that mirror, as an apt configuration for the box.
apt_options() {
    apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-Valid-Until|Check-Date) ' || true
}
