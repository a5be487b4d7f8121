#!/bin/sh
# What the official image does with ZOO_MY_ID and ZOO_SERVERS, on Debian's packages.
set -eu
classes=/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar
case ${1:-start-foreground} in
status)
	exec java -cp "$classes" org.apache.zookeeper.client.FourLetterWordMain 127.0.0.1 2181 srvr | grep Mode
	;;
start-foreground)
	mkdir -p /tmp/zk
	echo "$ZOO_MY_ID" >/tmp/zk/myid
	{
		printf 'tickTime=2000\ninitLimit=5\nsyncLimit=2\ndataDir=/tmp/zk\n4lw.commands.whitelist=%s\nadmin.enableServer=false\nstandaloneEnabled=false\nreconfigEnabled=false\nclientPort=2181\n' "${ZOO_4LW_COMMANDS_WHITELIST:-srvr}"
		for server in $ZOO_SERVERS; do echo "${server%;*}"; done
	} >/tmp/zk/zoo.cfg
	exec java -Xmx128m -cp "$classes" org.apache.zookeeper.server.quorum.QuorumPeerMain /tmp/zk/zoo.cfg
	;;
esac
