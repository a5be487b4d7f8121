package httpapi

import (
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Whoever may do an operation by itself may do it with others, and nobody else.
func TestRoleForOperations(t *testing.T) {
	admins := map[cluster.OperationKind]bool{
		cluster.OpDeclare: true, cluster.OpPatch: true, cluster.OpDelete: true, cluster.OpEvict: true, cluster.OpLabel: true,
		cluster.OpStepDown: true, cluster.OpLose: true, cluster.OpSettings: true,
	}
	for _, kind := range append(cluster.OperationKinds(), "of a later version") {
		want := RoleOperate
		if admins[kind] || kind == "of a later version" {
			want = RoleAdmin
		}
		if got := roleFor(kind); got != want {
			t.Errorf("%s: %s; want %s", kind, got, want)
		}
	}
}

// What a list leads to is what each operation leads to, but those that a later one replaces in the same record.
func TestOverruled(t *testing.T) {
	for _, c := range []struct {
		op, later cluster.Operation
		want      bool
	}{
		{cluster.Cordon("n"), cluster.Uncordon("n"), true},
		{cluster.Cordon("n"), cluster.Uncordon("m"), false},
		{cluster.Scale("a", 2), cluster.Pause("a"), true},
		{cluster.Scale("a", 2), cluster.RestartTask("a"), false},
		{cluster.Cordon("n"), cluster.RestartNode("n"), false},
		{cluster.StepDown(), cluster.MoveNow(), false},
		{cluster.Configure(cluster.Settings{}), cluster.Configure(cluster.Settings{LeaderWorkers: cluster.LeaderNone}), true},
		{cluster.Configure(cluster.Settings{}), cluster.StepDown(), false},
	} {
		if got := overruled(c.op, cluster.Operations{c.later}); got != c.want {
			t.Errorf("%s, then %s: %v", c.op, c.later, got)
		}
	}
}
