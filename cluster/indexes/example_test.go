package indexes_test

import (
	"fmt"

	"gitee.com/ken.yang/xconsumer/cluster/indexes"
)

// The text form of a set is made of ranges.
func ExampleParse() {
	set, err := indexes.Parse("0-3,7")
	fmt.Println(len(set), set.Contains(2), set.Contains(5), err)
	fmt.Println(set)
	// Output:
	// 5 true false <nil>
	// 0-3,7
}
