package httpapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/access"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/answer"
	"gitee.com/ken.yang/xconsumer/internal/spelling"
)

// invalid is the answer to a request with invalid parts: for each its location, as in "query.lines", its value, and what
// is expected. It has the form of huma's own answers.
func invalid(errs ...*huma.ErrorDetail) *problem {
	return &problem{
		Status: http.StatusUnprocessableEntity,
		Title:  http.StatusText(http.StatusUnprocessableEntity),
		Detail: "validation failed",
		Errors: errs,
	}
}

// wrongValue is the answer to a request with one invalid part, with what that part should be.
func wrongValue(location string, value any, should string) *problem {
	return invalid(&huma.ErrorDetail{Location: location, Value: value, Message: should})
}

// maxListed bounds how many known names an error lists.
const maxListed = 40

// unknown is the error of a name that is not among the known ones. It suggests the most similar name.
func unknown(location, noun, value string, known []string) *huma.ErrorDetail {
	return &huma.ErrorDetail{Location: location, Value: value, Message: fmt.Sprintf("unknown %s %q%s", noun, value, instead(value, known))}
}

// instead returns the end of an error about an unknown name: a suggestion and the known names.
func instead(value string, known []string) (text string) {
	if near := spelling.Nearest(value, known); near != "" {
		text = fmt.Sprintf(", did you mean %q?", near)
	}
	switch list := known[:min(len(known), maxListed)]; {
	case len(known) == 0:
		return text + "; none exists"
	case len(list) < len(known):
		return text + fmt.Sprintf(" (known: %s and %d more)", strings.Join(list, ", "), len(known)-len(list))
	default:
		return text + fmt.Sprintf(" (known: %s)", strings.Join(list, ", "))
	}
}

// checkQuery refuses a query with a parameter that the operation does not have, one that is given more than once, or a
// value that is not among those that the description lists. It returns nil for a valid query. It does not check numbers
// and times; they are checked where they are parsed.
func checkQuery(op *huma.Operation, raw string) *problem {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return wrongValue("query", raw, "cannot be read: "+err.Error())
	}
	params := map[string]*huma.Param{}
	for _, p := range op.Parameters {
		if p.In == "query" {
			params[p.Name] = p
		}
	}
	var errs []*huma.ErrorDetail
	for _, name := range slices.Sorted(maps.Keys(query)) {
		p, values := params[name], query[name]
		switch {
		case p == nil:
			errs = append(errs, unknown("query."+name, "query parameter", name, slices.Sorted(maps.Keys(params))))
		case len(values) > 1:
			errs = append(errs, &huma.ErrorDetail{Location: "query." + name, Value: values, Message: "is given more than once"})
		case values[0] != "" && len(p.Schema.Enum) > 0 && !slices.Contains(p.Schema.Enum, any(values[0])):
			var known []string
			for _, one := range p.Schema.Enum {
				known = append(known, fmt.Sprint(one))
			}
			errs = append(errs, unknown("query."+name, name, values[0], known))
		}
	}
	if errs == nil {
		return nil
	}
	return invalid(errs...)
}

// strict returns the middleware that refuses queries which do not fit the operation.
func strict(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		url := ctx.URL()
		if p := checkQuery(ctx.Operation(), url.RawQuery); p != nil {
			refuse(api, ctx, p)
			return
		}
		next(ctx)
	}
}

// readable returns the middleware that refuses a body which is not sent as JSON. A body without a Content-Type is read as
// JSON. Programs that send a default one, as curl does, get an error that names the right one. Parameters of the
// Content-Type are ignored, even malformed ones: JSON has none.
func readable(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		kind, _, err := mime.ParseMediaType(ctx.Header("Content-Type"))
		r := requestOf(ctx.Context())
		isJSON := (err == nil || errors.Is(err, mime.ErrInvalidMediaParameter)) &&
			(kind == "application/json" || strings.HasSuffix(kind, "+json"))
		if ctx.Operation().RequestBody == nil || ctx.Header("Content-Type") == "" || isJSON || r == nil || r.ContentLength == 0 {
			next(ctx)
			return
		}
		refuse(api, ctx, &problem{
			Status: http.StatusUnsupportedMediaType, Title: "the body is not sent as JSON",
			Detail: fmt.Sprintf("the body was sent as %q; send Content-Type: application/json", ctx.Header("Content-Type")),
		})
	}
}

// refuse answers with a problem before the operation is asked.
func refuse(api huma.API, ctx huma.Context, p *problem) {
	ctx.SetHeader("Content-Type", "application/problem+json")
	ctx.SetStatus(p.Status)
	_ = api.Marshal(ctx.BodyWriter(), "application/json", p) // the client has gone
}

// handleRaw registers an operation whose answer is a text or a stream. As handle does, it adds the description and
// refuses callers without the role view and queries that do not fit.
func (r *routes) handleRaw(op *huma.Operation, h http.HandlerFunc) {
	op.Metadata = as(RoleView)
	r.huma.OpenAPI().AddOperation(op)
	r.mux.HandleFunc(op.Method+" "+op.Path, access.Viewing(func(w http.ResponseWriter, req *http.Request) {
		if p := checkQuery(op, req.URL.RawQuery); p != nil {
			answer.Send(w, p)
			return
		}
		h(w, req)
	}))
}

// stateParam and kindParam are query parameters whose values the description lists.
type (
	stateParam cluster.WorkerState
	kindParam  cluster.EventKind
)

// Schema implements huma.SchemaProvider.
func (stateParam) Schema(huma.Registry) *huma.Schema { return oneOf(cluster.WorkerStates()) }

// Schema implements huma.SchemaProvider.
func (kindParam) Schema(huma.Registry) *huma.Schema { return oneOf(cluster.EventKinds()) }

// oneOf describes a text that is one of several values.
func oneOf[T ~string](values []T) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, v := range values {
		s.Enum = append(s.Enum, string(v))
	}
	s.PrecomputeMessages()
	return s
}

// checkNames refuses filters by a task or a node that does not exist and that no kept event, decision or operation names.
// "" filters nothing. A run stands for its task.
func (c *reader) checkNames(ctx context.Context, task, node string) error {
	now, ever, err := c.heardOf(ctx, task, node)
	if err != nil {
		return err
	}
	var errs []*huma.ErrorDetail
	if !ever.has(task, "") {
		errs = append(errs, unknown("query.task", "task", task, slices.Sorted(maps.Keys(now.tasks))))
	}
	if !ever.has("", node) {
		errs = append(errs, unknown("query.node", "node", node, slices.Sorted(maps.Keys(now.nodes))))
	}
	if errs == nil {
		return nil
	}
	return invalid(errs...)
}

// heardOf returns the names that exist, and ever, which also has names of the past. The past is kept for some time only.
// heardOf reads it no further than until both names are found; "" is always found.
func (c *reader) heardOf(ctx context.Context, task, node string) (now, ever names, err error) {
	if task == "" && node == "" {
		return now, ever, nil
	}
	m, err := c.current(ctx)
	if err != nil {
		return now, ever, err
	}
	now = namesIn(&m.Snapshot)
	if now.has(task, node) {
		return now, now, nil
	}
	ever = names{tasks: maps.Clone(now.tasks), nodes: maps.Clone(now.nodes)}
	for i := range m.State.Workers { // some may have ended on a node that has gone since
		ever.add(m.State.Workers[i].Task, m.State.Workers[i].Node)
	}
	events, _ := c.hub.Events()
	for i := range events {
		ever.add(events[i].TaskName(), events[i].Node)
	}
	if ever.has(task, node) {
		return now, ever, nil
	}
	reading, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	list, err := c.node.Decisions(reading)
	if err != nil {
		return now, ever, err
	}
	for i := range list.Decisions {
		ever.addDecision(&list.Decisions[i])
	}
	for i := range list.Audit {
		ever.addAudit(&list.Audit[i])
	}
	return now, ever, nil
}

// names are sets of names of tasks and nodes.
type names struct{ tasks, nodes map[string]bool }

// namesIn returns the names in a snapshot.
func namesIn(s *cluster.Snapshot) names {
	n := names{map[string]bool{}, map[string]bool{}}
	for i := range s.Tasks {
		n.add(s.Tasks[i].Name, "")
	}
	for i := range s.State.Tasks {
		n.add(s.State.Tasks[i].Name, "")
	}
	for _, list := range [][]cluster.NodeInfo{s.State.Nodes, s.State.Lost} {
		for i := range list {
			n.add("", list[i].Name)
		}
	}
	for node := range s.Marks {
		n.add("", node)
	}
	return n
}

func (n *names) add(task, node string) {
	task, _ = cluster.SplitRun(task)
	if task != "" {
		n.tasks[task] = true
	}
	if node != "" {
		n.nodes[node] = true
	}
}

func (n *names) addDecision(d *cluster.Decision) {
	n.add("", d.Leader)
	for i := range d.Moves {
		n.add(d.Moves[i].Task, d.Moves[i].Node)
		n.add("", d.Moves[i].To)
	}
}

func (n *names) addAudit(l *cluster.AuditLine) {
	for _, task := range l.Tasks {
		n.add(task, "")
	}
	for _, node := range l.Nodes {
		n.add("", node)
	}
}

// has reports whether both names are in the sets; "" always is.
func (n *names) has(task, node string) bool {
	task, _ = cluster.SplitRun(task)
	return (task == "" || n.tasks[task]) && (node == "" || n.nodes[node])
}
