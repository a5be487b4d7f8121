// Package work gathers the sample works, so that they can be registered in one call:
//
//	node.Methods(&work.Work{})
package work

import (
	"gitee.com/ken.yang/xconsumer/work/test01"
	"gitee.com/ken.yang/xconsumer/work/test02"
)

// Work has the methods of all sample works.
type Work struct {
	test01.Test01
	test02.Test02
}
