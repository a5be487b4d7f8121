package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/render"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// difference is how what a file declares differs from what the cluster has.
type difference struct {
	File     string             `json:"file"`
	Settings *settingsChange    `json:"settings,omitempty"` // nil if the cluster has those of the file, or the file has none
	Fresh    []cluster.TaskSpec `json:"new"`
	Changed  []changed          `json:"changed"`
	Missing  []string           `json:"missing"`  // tasks that are not in the file
	Override []string           `json:"override"` // tasks with an override
}

type changed struct {
	Task   string           `json:"task"`
	Fields []string         `json:"fields"` // as in `workerNum: 2 → 3`
	Spec   cluster.TaskSpec `json:"spec"`
}

type settingsChange struct {
	Fields []string         `json:"fields"`
	Spec   cluster.Settings `json:"spec"`
}

// declared compares a file with the cluster.
func (env *environment) declared(c *cobra.Command, api *client.Client, file string) (*difference, error) {
	declares, err := env.files(file)
	if err != nil {
		return nil, err
	}
	var now client.Tasks
	if _, err := api.Get(c.Context(), "/api/v1/tasks", nil, &now); err != nil {
		return nil, withHint(c.Context(), api, err)
	}
	specs := declares.Tasks
	d := &difference{File: declares.File, Fresh: []cluster.TaskSpec{}, Changed: []changed{}, Missing: []string{}, Override: []string{}}
	known := map[string]cluster.TaskDetail{}
	for _, t := range now.Tasks {
		if t.ReasonCode == cluster.WhyUndeclared {
			continue // it is not declared, and disappears by itself
		}
		known[t.Name] = t
		if !slices.ContainsFunc(specs, func(s cluster.TaskSpec) bool { return s.Name == t.Name }) {
			d.Missing = append(d.Missing, t.Name)
		}
	}
	for _, spec := range specs {
		old, there := known[spec.Name]
		switch {
		case !there:
			d.Fresh = append(d.Fresh, spec)
		case old.Declared != spec || old.Unusable != "":
			fields := fieldsThatDiffer(old.Declared, spec)
			if old.Unusable != "" {
				fields = slices.Insert(fields, 0, old.Unusable)
			}
			d.Changed = append(d.Changed, changed{spec.Name, fields, spec})
		}
		if there && old.Override != (cluster.Override{}) {
			d.Override = append(d.Override, spec.Name)
		}
	}
	if declares.Settings == nil {
		return d, nil
	}
	state, _, err := api.State(c.Context())
	if err != nil {
		return nil, withHint(c.Context(), api, err)
	}
	if now := state.Settings; now != *declares.Settings {
		d.Settings = &settingsChange{differences(flat(now), flat(*declares.Settings), "default"), *declares.Settings}
	}
	return d, nil
}

// flat returns the fields of a declaration by their names in JSON.
func flat(spec any) map[string]any {
	fields := map[string]any{}
	if text, err := json.Marshal(spec); err == nil {
		_ = json.Unmarshal(text, &fields) // the JSON comes from Marshal
	}
	return fields
}

func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(text)
}

// furtherFields lists what a new task declares beyond its name, its work and its number of workers.
func furtherFields(spec cluster.TaskSpec) (list []string) {
	for name, value := range flat(spec) {
		if name != "name" && name != "workName" && name != "workerNum" {
			list = append(list, name+": "+jsonText(value))
		}
	}
	slices.Sort(list)
	return list
}

// fieldsThatDiffer returns the fields that differ between two declarations, with both values.
func fieldsThatDiffer(before, after cluster.TaskSpec) (list []string) {
	old, new := flat(before), flat(after)
	for _, fields := range []map[string]any{old, new} {
		if fields["resize"] == nil {
			fields["resize"] = string(cluster.ResizeRestart) // the default
		}
	}
	return differences(old, new, "none")
}

// differences returns the fields that differ, with both values; absent stands for the value of a field that is left out.
func differences(old, new map[string]any, absent string) (list []string) {
	text := func(v any) string {
		if v == nil {
			return absent
		}
		return jsonText(v)
	}
	names := map[string]bool{}
	for name := range old {
		names[name] = true
	}
	for name := range new {
		names[name] = true
	}
	for name := range names {
		if !reflect.DeepEqual(old[name], new[name]) {
			list = append(list, fmt.Sprintf("%s: %s → %s", name, text(old[name]), text(new[name])))
		}
	}
	slices.Sort(list)
	return list
}

// operations returns the operations after which the cluster has what the file declares.
func (d *difference) operations(prune bool) (ops cluster.Operations) {
	if d.Settings != nil {
		ops = append(ops, cluster.Configure(d.Settings.Spec))
	}
	for _, spec := range d.Fresh {
		ops = append(ops, cluster.Declare(spec))
	}
	for _, c := range d.Changed {
		ops = append(ops, cluster.Declare(c.Spec))
	}
	if prune {
		for _, task := range d.Missing {
			ops = append(ops, cluster.Delete(task))
		}
	}
	return ops
}

func (d *difference) empty(prune bool) bool {
	return d.Settings == nil && len(d.Fresh)+len(d.Changed) == 0 && (!prune || len(d.Missing) == 0)
}

// show writes the difference.
func (d *difference) show(s *environment, b *bytes.Buffer, prune bool) {
	if d.Settings != nil {
		fmt.Fprintln(b, s.paint(s.Out, "~ settings", yellow))
		for _, f := range d.Settings.Fields {
			fmt.Fprintln(b, "    "+f)
		}
	}
	for _, spec := range d.Fresh {
		fmt.Fprintln(
			b,
			s.paint(s.Out, fmt.Sprintf("+ task %s: work %s, %s", spec.Name, spec.WorkName, plural.Of(spec.WorkerNum, "worker")), green),
		)
		for _, f := range furtherFields(spec) {
			fmt.Fprintln(b, "    "+f)
		}
	}
	for _, c := range d.Changed {
		fmt.Fprintln(b, s.paint(s.Out, "~ task "+c.Task, yellow))
		for _, f := range c.Fields {
			fmt.Fprintln(b, "    "+f)
		}
	}
	for _, name := range d.Missing {
		if prune {
			fmt.Fprintln(b, s.paint(s.Out, "- task "+name, red))
		} else {
			fmt.Fprintln(b, s.paint(s.Out, "  task "+name+" is not in the file, and stays (--prune deletes it)", faint))
		}
	}
	for _, name := range d.Override {
		fmt.Fprintln(b, s.paint(s.Out, "  task "+name+" has an override, which stays (xconsumer reset removes it)", faint))
	}
	if d.empty(prune) {
		fmt.Fprintf(b, "the cluster has what %s declares\n", d.File)
	}
}

func diffCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use: "diff", Short: "Show how the tasks and settings of a file differ from those of the cluster", Args: args(),
		Example: `  xconsumer diff -f app.toml
  xconsumer diff -f app.toml --prune`,
	}
	f, o := env.server(c), outputFlag(c)
	file := c.Flags().StringP("file", "f", "", "configuration file (default app.toml)")
	prune := c.Flags().Bool("prune", false, "count tasks that are not in the file, too")
	c.RunE = func(c *cobra.Command, _ []string) error {
		api, err := f.client()
		if err != nil {
			return err
		}
		d, err := env.declared(c, api, *file)
		if err != nil {
			return err
		}
		if !o.ForPrograms() { // with colours
			var b bytes.Buffer
			d.show(env, &b, *prune)
			_, err = b.WriteTo(env.Out)
			return err
		}
		return o.Print(env.Out, d, "", d.names(*prune)...)
	}
	return c
}

// names returns the tasks that differ, and "settings" if these do.
func (d *difference) names(prune bool) (list []string) {
	if d.Settings != nil {
		list = append(list, "settings")
	}
	for _, spec := range d.Fresh {
		list = append(list, spec.Name)
	}
	for _, c := range d.Changed {
		list = append(list, c.Task)
	}
	if prune {
		list = append(list, d.Missing...)
	}
	return list
}

func applyCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use: "apply", Short: "Declare the tasks and settings of a file, after showing what that moves", Args: args(),
		Example: `  xconsumer apply -f app.toml
  xconsumer apply -f app.toml --prune --yes --wait`,
	}
	m := env.mutation(c).planned(c)
	file := c.Flags().StringP("file", "f", "", "configuration file (default app.toml)")
	prune := c.Flags().Bool("prune", false, "delete tasks that are not in the file")
	c.RunE = func(c *cobra.Command, _ []string) error {
		api, err := m.client()
		if err != nil {
			return err
		}
		d, err := env.declared(c, api, *file)
		if err != nil {
			return err
		}
		ops := d.operations(*prune)
		var b bytes.Buffer
		d.show(env, &b, *prune)
		if d.empty(*prune) && (!m.ForPrograms() || !m.dryRun) {
			return m.nothing(&b)
		}
		plan, raw, err := api.Plan(c.Context(), ops)
		if err != nil {
			return withHint(c.Context(), api, err)
		}
		b.WriteByte('\n')
		render.Plan(&b, &plan, env.width())
		switch {
		case m.ForPrograms() && m.dryRun:
			return m.WriteAnswer(env.Out, raw, nil, render.MovedWorkers(&plan))
		case !m.ForPrograms():
			if _, err := b.WriteTo(env.Out); err != nil || m.dryRun {
				return err
			}
		default:
			for _, r := range plan.Reverts {
				fmt.Fprintln(env.Err, "xconsumer: warning:", terminal.Printable(fmt.Sprintf("task %s: %s", r.Task, r.Reason)))
			}
		}
		if err := m.confirm("apply that"); err != nil {
			return err
		}
		accepted, err := m.applyAll(c.Context(), api, ops, plan.Revision)
		if err != nil {
			return withHint(c.Context(), api, err)
		}
		return m.report(&accepted, "")
	}
	return c
}

// nothing reports that there is nothing to do, with the reason.
func (m *mutation) nothing(why *bytes.Buffer) error {
	if !m.ForPrograms() {
		_, err := why.WriteTo(m.Out)
		return err
	}
	return m.report(&client.Accepted{Accepted: "nothing: " + strings.TrimSpace(why.String())}, "")
}

// applyAll applies operations that were planned at a revision, in several parts if one commit cannot hold all of them. Each
// later part is planned again, because the leader has acted on the earlier ones by then.
func (m *mutation) applyAll(
	ctx context.Context,
	api *client.Client,
	ops cluster.Operations,
	revision string,
) (all client.Accepted, err error) {
	var accepted []string
	for i, part := range parts(ops) {
		for try := 1; ; try++ {
			if i > 0 {
				plan, _, err := api.Plan(ctx, part)
				if err != nil {
					return all, behind(accepted, err)
				}
				revision = plan.Revision
			}
			all, err = m.send(
				ctx,
				api,
				client.Request{Path: "/api/v1/plan/apply", Body: map[string]any{"revision": revision, "operations": part}, Key: m.keyOfPart(part)},
			)
			if i == 0 || !errors.Is(err, client.ErrConflict) || try == tries {
				break
			}
			select {
			case <-ctx.Done():
			case <-time.After(planInterval):
			}
		}
		if err != nil {
			return all, behind(accepted, err)
		}
		accepted = append(accepted, all.Accepted)
	}
	all.Accepted = strings.Join(accepted, "; ")
	return all, nil
}

// keyOfPart returns the idempotency key of some of the operations. It depends on the operations: if the command is called
// again, the operations that are left are divided differently.
func (m *mutation) keyOfPart(part cluster.Operations) string {
	text, _ := json.Marshal(part) // operations can always be encoded
	sum := sha256.Sum256(text)
	return m.keyOfThis() + "-" + hex.EncodeToString(sum[:6])
}

// behind adds to an error the parts that were accepted before it.
func behind(accepted []string, err error) error {
	if len(accepted) == 0 {
		return err
	}
	return fmt.Errorf("%w\nAccepted before that: %s", err, strings.Join(accepted, "; "))
}

const (
	// One commit holds at most this many operations and bytes, with the records that go with them.
	partRecords = 90
	partBytes   = 200 << 10
	// A later part is planned again at most this often, and after this interval.
	tries        = 50
	planInterval = 100 * time.Millisecond
)

// parts divides operations, each about another task or the settings, into parts that fit in a commit.
func parts(ops cluster.Operations) (list []cluster.Operations) {
	var part cluster.Operations
	size := 0
	for _, op := range ops {
		text, _ := json.Marshal(op) // operations can always be encoded
		if len(part) == partRecords || len(part) > 0 && size+len(text) > partBytes {
			list, part, size = append(list, part), nil, 0
		}
		part, size = append(part, op), size+len(text)
	}
	return append(list, part)
}
