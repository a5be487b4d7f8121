module gitee.com/ken.yang/xconsumer/bench

go 1.26.0

require (
	gitee.com/ken.yang/xconsumer v0.0.0
	github.com/go-zookeeper/zk v1.0.4
)

require (
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/lmittmann/tint v1.2.1 // indirect
	github.com/pelletier/go-toml/v2 v2.4.3 // indirect
	github.com/spf13/cobra v1.10.2 // indirect
	github.com/spf13/pflag v1.0.10 // indirect
)

replace gitee.com/ken.yang/xconsumer => ../
