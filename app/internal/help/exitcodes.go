package help

// ExitCode is a code that the program ends with.
type ExitCode struct {
	Code             int
	Meaning, Chinese string
}

// ExitCodes returns the codes in ascending order.
func ExitCodes() []ExitCode {
	return []ExitCode{
		{0, "success", "成功"},
		{1, "failure", "失败"},
		{2, "the command cannot be called like this", "命令的用法不正确"},
		{3, "conflict: the cluster is not in the state that the operation needs, or has changed meanwhile", "冲突：集群不处于操作所需的状态，或在此期间已经改变"},
		{4, "the task, node, worker, run or cluster does not exist", "任务、节点、worker、运行或集群不存在"},
		{5, "no node answers", "没有节点应答"},
		{6, "the outcome is unknown: the operation may or may not have been done", "结果未知：操作可能已经执行，也可能没有"},
		{7, "the run that `run-now --wait` started has failed", "`run-now --wait` 开始的运行已失败"},
		{69, "an address is in use, or the coordination service cannot be reached", "地址已被占用，或无法连接协调服务"},
		{70, "a worker did not stop", "有 worker 没有停止"},
		{71, "the parent process has ended", "父进程已经结束"},
		{73, "a data directory cannot be used", "数据目录无法使用"},
		{76, "the service at the address is not etcd", "该地址上的服务不是 etcd"},
		{78, "the configuration is refused", "配置被拒绝"},
		{130, "ended by a second SIGINT", "被第二次 SIGINT 结束"},
		{143, "ended by a second SIGTERM", "被第二次 SIGTERM 结束"},
	}
}
