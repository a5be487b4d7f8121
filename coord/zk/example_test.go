package zk_test

import (
	"fmt"

	"gitee.com/ken.yang/xconsumer/coord/zk"
)

// ParseHosts splits a connection string as ZooKeeper's own clients take it.
func ExampleParseHosts() {
	servers, chroot, err := zk.ParseHosts("zk1:2181,zk2/fleet")
	fmt.Println(servers, chroot, err)
	_, _, err = zk.ParseHosts("::1:2181")
	fmt.Println(err)
	// Output:
	// [zk1:2181 zk2:2181] /fleet <nil>
	// "::1:2181": want brackets around an IPv6 address: write it as "[::1]:2181"
}
