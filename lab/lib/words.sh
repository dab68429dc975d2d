# shellcheck shell=bash
# The words that lab/demo and lab/prepare take: none, --fresh or --help.

# Print the help (the comment at the top of the calling script), or refuse what is not understood, before anything is done.
fresh_or_nothing() {
    local name=${0##*/}
    case "$*" in
        '' | --fresh) ;;
        -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "$name does not understand '$*'" "lab/$name --help" ;;
    esac
}
