#!/bin/sh
# Installs what the tests and the demonstration need on Debian 12, all of it by
# apt-get; Go itself is expected to be there. Nothing that is installed here is
# started. Run as root. A second run finds everything and does nothing. With the
# argument "stack" it installs what tries the containers of configs/compose, too.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
unpacked=$root/.build/sendmail

# What each package is for:
#   postfix                              the MTA
#   clamav-daemon                        the scanner
#   opendkim opendkim-tools miltertest   a verifier, a peer, and a milter client driven by Lua
#   python3-dkim python3-nacl            dkimpy, a second verifier (nacl: Ed25519)
#   libmail-dkim-perl libcryptx-perl     Mail::DKIM, a third one (cryptx: Ed25519)
#   nsd                                  the DNS servers of the zones in the tests
#   unbound ldnsutils                    a resolver that validates, and what signs zones (DNSSEC)
#   chromium fonts-dejavu-core           what a message looks like
#   rspamd                               a peer in the benchmarks
#   redis-server                         counts that several machines share
#   prometheus                           promtool, which checks metrics, rules and alerts
#   graphite-carbon munin-node           two that take our figures in
#   systemd-journal-remote               writes journal files, for the log of the MTA
#   gcc libc6-dev                        go test -race
#   m4 libdb5.3 ... libwrap0             what the unpacked sendmail needs
packages="postfix clamav-daemon opendkim opendkim-tools miltertest
  python3-dkim python3-nacl libmail-dkim-perl libcryptx-perl nsd unbound ldnsutils chromium fonts-dejavu-core rspamd
  redis-server prometheus graphite-carbon munin-node systemd-journal-remote
  gcc libc6-dev make m4 openssl ca-certificates git
  libdb5.3 libldap-2.5-0 libnsl2 libsasl2-2 libssl3 libwrap0"

# debootstrap makes the image that a registry would have; runc and not crun, which knows no
# hybrid cgroups.
if [ "${1:-}" = stack ]; then
    packages="$packages podman podman-compose runc netavark aardvark-dns iptables debootstrap"
fi

# sendmail's packages exclude postfix, so these are unpacked, not installed.
sendmail_packages="sendmail-bin sendmail-base sendmail-cf"

missing_packages() {
    for package in $packages; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=absent
        [ "$status" = installed ] || echo "$package"
    done
}

# One dpkg-query for all of them when all are there: the usual case, and quick.
all_installed() {
    # shellcheck disable=SC2086 # the list is meant to be split
    states=$(dpkg-query -W -f '${db:Status-Status}\n' $packages 2>/dev/null) || return 1
    [ -z "$(echo "$states" | grep -vx installed)" ]
}

sendmail_unpacked() {
    [ -x "$unpacked/usr/libexec/sendmail/sendmail" ] && [ -f "$unpacked/usr/share/sendmail/cf/m4/cf.m4" ]
}

# refresh fetches the package lists, once a run.
refreshed=
refresh() {
    [ -z "$refreshed" ] || return 0
    echo "setup: apt-get update"
    apt-get -qq update
    refreshed=yes
}

# While packages are being installed this policy keeps their services from starting.
policy=/usr/sbin/policy-rc.d
kept_policy=
restore_policy() {
    [ -n "$kept_policy" ] || return 0
    rm -f "$policy"
    [ ! -e "$kept_policy/policy-rc.d" ] || mv "$kept_policy/policy-rc.d" "$policy"
    rmdir "$kept_policy"
    kept_policy=
}
deny_services() {
    kept_policy=$(mktemp -d)
    [ ! -e "$policy" ] || mv "$policy" "$kept_policy/"
    trap restore_policy EXIT
    trap 'exit 1' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

install_packages() {
    missing=$(missing_packages)
    echo "setup: installing" $missing
    refresh
    deny_services
    log=$(mktemp)
    # shellcheck disable=SC2086 # the list is meant to be split
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold \
        install -y --no-install-recommends $missing >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
    rm "$log"
    restore_policy
}

unpack_sendmail() {
    echo "setup: unpacking $sendmail_packages into $unpacked"
    refresh
    rm -rf "$unpacked"
    mkdir -p "$unpacked/debs"
    # As root apt can't drop to its user _apt in this folder and warns about it: no harm.
    # shellcheck disable=SC2086 # the list is meant to be split
    (cd "$unpacked/debs" && apt-get -qq -o APT::Sandbox::User=root download $sendmail_packages)
    for deb in "$unpacked"/debs/*.deb; do
        dpkg -x "$deb" "$unpacked"
    done
    rm -rf "$unpacked/debs"
    chmod -R ug-s "$unpacked" # nothing here is to run with more rights than its caller's
}

if all_installed && sendmail_unpacked; then
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "setup: this installs packages: run it as root, for example: sudo $0" >&2
    exit 1
fi
all_installed || install_packages
sendmail_unpacked || unpack_sendmail
sendmail_unpacked || { echo "setup: sendmail's packages did not hold what was expected" >&2; exit 1; }
echo "setup: done"
