#!/usr/bin/env bash
# Makes sure that tests can start a real ZooKeeper: uses ZOOKEEPER_HOME or what is installed,
# else installs Debian's or Ubuntu's packages, else says what to do and fails. Also what the
# examples need: Redis and Python; Chromium for the console; and promtool for the alerts. Where tests with network namespaces are required
# (XCONSUMER_TEST_NETNS), also ip(8); where the race detector is (XCONSUMER_TEST_RACE), a C compiler.
set -euo pipefail

have() {
  command -v java >/dev/null || return 1
  if [ -n "${ZOOKEEPER_HOME:-}" ]; then
    compgen -G "$ZOOKEEPER_HOME/lib/zookeeper-*.jar" >/dev/null
  else
    [ -f /usr/share/java/zookeeper.jar ] && [ -f /usr/share/java/slf4j-simple.jar ]
  fi
}

fail() {
  cat >&2 <<TXT
The tests need a real ZooKeeper server, Redis, Python, Chromium and promtool, and something is missing: $1
Do one of these:
  - on Debian 12 or newer, Ubuntu 24.04 or newer, as root:
      apt-get install libzookeeper-java default-jre-headless redis-server python3 chromium prometheus systemd, and for make verify gcc libc6-dev
  - unpack a ZooKeeper release (3.8 or newer), install Java, and set ZOOKEEPER_HOME to its folder;
    install redis-server, python3, chromium and Prometheus' promtool
TXT
  exit 1
}

have_ip() { [ -z "${XCONSUMER_TEST_NETNS:-}" ] || command -v ip >/dev/null; }

have_compiler() { [ -z "${XCONSUMER_TEST_RACE:-}" ] || command -v "${CC:-gcc}" >/dev/null || command -v clang >/dev/null; }

have_redis() { command -v redis-server >/dev/null; }
have_python() { command -v python3 >/dev/null; }

have_chromium() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; }

have_fonts() { ! command -v fc-list >/dev/null || [ -n "$(fc-list :lang=zh)" ]; } # for the pictures of the Chinese console
have_promtool() { command -v promtool >/dev/null; }
have_systemd() { command -v systemd-analyze >/dev/null; } # checks the unit; nothing is started by it

have && have_ip && have_compiler && have_redis && have_python && have_chromium && have_fonts && have_promtool && have_systemd && exit 0
if ! have && [ -n "${ZOOKEEPER_HOME:-}" ]; then
  command -v java >/dev/null || fail "ZOOKEEPER_HOME is set, but there is no java"
  fail "ZOOKEEPER_HOME=$ZOOKEEPER_HOME has no lib/zookeeper-*.jar"
fi
command -v apt-get >/dev/null || fail "this system has no apt-get"

sudo=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null && sudo -n true 2>/dev/null || fail "installing needs root"
  sudo=(sudo -n)
fi
packages=()
have || packages+=(libzookeeper-java default-jre-headless)
have_ip || packages+=(iproute2)
have_compiler || packages+=(gcc libc6-dev)
have_redis || packages+=(redis-server)
have_python || packages+=(python3)
have_chromium || packages+=(chromium)
have_chromium && have_fonts || packages+=(fonts-wqy-zenhei)
have_promtool || packages+=(prometheus)
have_systemd || packages+=(systemd)
echo "Installing what the tests need: ${packages[*]} ..."
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -q >&2 || fail "apt-get update failed"
"${sudo[@]}" apt-get install -y -q --no-install-recommends "${packages[@]}" >&2 || fail "apt-get install failed"
have || fail "the packages brought no zookeeper.jar (Ubuntu before 24.04 has a version that is too old)"
