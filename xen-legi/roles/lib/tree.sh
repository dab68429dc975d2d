# shellcheck shell=sh
# The tree of a guest, $1 of each role, and its files. Its links mean places in the guest: followed from dom0 without care,
# /etc/ssh -> /srv/ssh there would have a role write into dom0's own /srv. Every FILE here is one of the guest: etc/hostname.
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

# at FILE: print where it is in dom0, whether it is there or not; each link, the last one too, is followed within the guest
at() (
    here='' left=$1 links=40
    while [ -n "$left" ]; do
        word=${left%%/*}
        case $left in */*) left=${left#*/} ;; *) left='' ;; esac
        case $word in
            '' | .) continue ;;
            ..) here=${here%/*} && continue ;;
        esac
        if [ -L "$guest$here/$word" ]; then
            links=$((links - 1))
            [ "$links" -ge 0 ] || fail "$1 leads through too many links in the guest"
            target=$(readlink "$guest$here/$word")
            case $target in /*) here='' ;; esac
            left=$target/$left
        else
            here=$here/$word
        fi
    done
    printf '%s\n' "$guest$here"
)

has() {
    place=$(at "$1") || exit 1
    [ -e "$place" ]
}

# content FILE: print it; nothing, if it is no file
content() (
    file=$(at "$1")
    [ ! -f "$file" ] || cat "$file"
)

# new FILE: make its directory, and print where it is to be made: a link of that name is replaced, not followed
new() (
    place=$(at "${1%/*}")/${1##*/}
    mkdir -p "${place%/*}"
    printf '%s\n' "$place"
)

# put FILE [MODE]: standard input becomes this file
put() (
    place=$(new "$1")
    rm -f "$place.new"
    umask 077 # it may hold a password
    cat >"$place.new"
    chmod "${2:-644}" "$place.new"
    mv -T "$place.new" "$place"
)

# link FILE TARGET: make a symbolic link
link() { ln -sfT "$2" "$(new "$1")"; }
