package etcd_test

import (
	"fmt"

	"gitee.com/ken.yang/xconsumer/coord/etcd"
)

// ParseEndpoints adds the scheme and the port where they are missing.
func ExampleParseEndpoints() {
	fmt.Println(etcd.ParseEndpoints("https://h1:2379,h2"))
	// Output: [https://h1:2379 http://h2:2379] <nil>
}
