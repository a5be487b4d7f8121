#!/bin/sh
# A service whose program is removed stops: its node leaves. An upgrade removes nothing (dpkg: upgrade; rpm: 1).
case "$1" in
  remove | 0)
    if [ -d /run/systemd/system ]; then
      systemctl disable --now xconsumer.service || true
    fi
    ;;
esac
