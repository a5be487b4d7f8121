package node

import (
	"testing"

	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/test/etcdserver"
)

func TestMain(m *testing.M) {
	etcdserver.Serve()
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}
