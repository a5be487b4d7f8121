package mem_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	service := mem.New(mem.Config{Timeout: time.Second, Latency: 50 * time.Microsecond})
	coordtest.Run(t, func(*testing.T) coordtest.Client { return service.Client() })
}
