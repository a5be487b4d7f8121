#!/bin/sh
# systemd reads a unit that is new or has changed. Nothing is started or restarted: that is for an operator to do, node by node.
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
