package httpapi_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// reference writes the reference of the endpoints in one language.
type reference struct {
	file  string
	api   *huma.OpenAPI
	words referenceWords
	say   func(text string) string // a text of the description, in this language
	types map[string]bool          // those that the page has links to
	b     strings.Builder
}

// referenceWords are what the page says and the description does not.
type referenceWords struct {
	intro, index           string
	role, anyone           string // end the description of a request
	parameters, body, data string // heads of tables
	required               string
	takes                  string // introduces the body of a request
	answers, errors        string
	statuses, types        string // headings
	typed                  string // heading of one type
	statusHead             string
	typesIntro, spec       string
	list, table, or        string // kinds of types
	kinds                  map[string]string
}

var english = referenceWords{
	intro: `# HTTP endpoints

This page is generated from the [OpenAPI document](../../httpapi/openapi.yaml), which every node serves at ` + "`/api/v1/openapi.yaml`" + `.
[HTTP API](api.md) explains authentication, writes, the stream and errors, and has answers of a real cluster.

The requests below need the address of a node, and its token if the node requires one:

` + "```sh" + `
URL=http://127.0.0.1:8800
AUTH="Authorization: Bearer $XCONSUMER_API_TOKEN"
` + "```" + `

The roles are ` + "`view`, `operate` and `admin`" + `; each includes those before it. ` + "`GET /metrics`" + ` is described in [metrics](metrics.md).
`,
	index: "| request | role | |", role: " Role: `%s`.", anyone: " No token is needed.",
	parameters: "| parameter | in | type | required | meaning |", body: "| field | type | required | meaning |", data: "| field | type | meaning |",
	required: "yes", takes: "The body is a %s.", answers: "| status | body | meaning |", errors: "[Errors](#statuses): %s.",
	statuses: "Statuses", types: "Types", typed: "Type %s", statusHead: "| status | meaning |",
	typesIntro: "Fields that are empty may be left out. Later versions may add fields.",
	spec:       "The fields are the keys of [`[[task]]`](configuration.md#tasks), which explains them.",
	list:       "list of %s", table: "object of %s", or: " or ",
	kinds: map[string]string{
		"string": "text", "integer": "integer", "number": "number", "boolean": "true or false", "time": "time", "duration": "duration",
		"any": "any value", "object": "object", "lines": "lines of JSON", "stream": "events",
	},
}

// docs/reference/http.md is what the description of the API says, and the Chinese page has the Chinese of each of its texts.
func TestReference(t *testing.T) {
	unused := maps.Clone(chineseTexts)
	for _, r := range []*reference{
		{file: "../docs/reference/http.md", words: english, say: func(text string) string { return text }},
		{file: "../docs/zh/reference/http.md", words: chinese, say: func(text string) string {
			if text != "" && chineseTexts[text] == "" {
				t.Errorf("%q has no Chinese text: add it to reference_chinese_test.go", text)
			}
			delete(unused, text)
			return chineseTexts[text]
		}},
	} {
		r.api, r.types = httpapi.New(nil, httpapi.Options{}).OpenAPI(), map[string]bool{}
		want := r.page()
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(filepath.FromSlash(r.file), []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(r.file); err != nil || string(got) != want {
			t.Errorf("%s is not what the description says (%v): UPDATE=1 go test ./httpapi -run TestReference", r.file, err)
		}
	}
	for text := range unused {
		t.Errorf("no English text is %q: remove it from reference_chinese_test.go", text)
	}
}

// operations returns those of a tag, by path and method.
func (r *reference) operations(tag string) (list []*huma.Operation) {
	for _, path := range slices.Sorted(maps.Keys(r.api.Paths)) {
		item := r.api.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil && op.Tags[0] == tag {
				list = append(list, op)
			}
		}
	}
	return list
}

func (r *reference) page() string {
	w := &r.words
	r.printf("%s\n%s\n|---|---|---|\n", w.intro, w.index)
	for _, tag := range r.api.Tags {
		for _, op := range r.operations(tag.Name) {
			role := roleOf(op)
			if role != "" {
				role = "`" + role + "`"
			}
			summary := r.say(op.Summary)
			r.printf("| `%s %s` | %s | [%s](#%s) |\n", op.Method, op.Path, role, summary, anchor(summary))
		}
	}
	for _, tag := range r.api.Tags {
		description := r.say(tag.Description)
		r.printf("\n## %s\n\n%s\n", title(r.say(tag.Name)), description)
		for _, op := range r.operations(tag.Name) {
			r.operation(op)
		}
	}
	r.statuses()
	r.schemas()
	return r.b.String()
}

func (r *reference) printf(format string, args ...any) { fmt.Fprintf(&r.b, format, args...) }

// roleOf returns the role that an operation needs, empty for none.
func roleOf(op *huma.Operation) string {
	for _, need := range op.Security {
		for _, roles := range need {
			return roles[0]
		}
	}
	return ""
}

// operation writes what a caller must know of one operation.
func (r *reference) operation(op *huma.Operation) {
	w := &r.words
	role := w.anyone
	if name := roleOf(op); name != "" {
		role = fmt.Sprintf(w.role, name)
	}
	r.printf("\n### %s\n\n`%s %s`\n\n%s%s\n", r.say(op.Summary), op.Method, op.Path, r.say(op.Description), role)
	if len(op.Parameters) > 0 {
		r.printf("\n%s\n|---|---|---|---|---|\n", w.parameters)
	}
	order := []string{"path", "query", "header"}
	params := slices.Clone(op.Parameters)
	slices.SortStableFunc(params, func(a, b *huma.Param) int { return cmp.Compare(slices.Index(order, a.In), slices.Index(order, b.In)) })
	for _, p := range params {
		r.printf("| `%s` | %s | %s | %s | %s |\n", p.Name, r.say(p.In), r.kind(p.Schema), r.yes(p.Required), cell(r.say(p.Description)))
	}
	if op.RequestBody != nil {
		r.body(op.RequestBody.Content["application/json"].Schema)
	}
	r.printf("\n```sh\n%s\n```\n", request(op))
	r.printf("\n%s\n|---|---|---|\n", w.answers)
	var errs []string
	for _, code := range slices.Sorted(maps.Keys(op.Responses)) {
		response := op.Responses[code]
		if code >= "4" {
			errs = append(errs, strings.Replace(code, "default", r.say("others"), 1))
			continue
		}
		r.printf("| %s | %s | %s |\n", code, r.content(response), cell(r.say(response.Description)))
	}
	r.printf("\n"+w.errors+"\n", strings.Join(errs, ", "))
}

func (r *reference) yes(is bool) string {
	if is {
		return r.words.required
	}
	return ""
}

// content returns what the body of an answer is.
func (r *reference) content(response *huma.Response) string {
	for kind, media := range response.Content {
		switch {
		case kind == "text/event-stream":
			return r.words.kinds["stream"]
		case kind == "application/x-ndjson":
			return r.words.kinds["lines"]
		default:
			return r.kind(media.Schema)
		}
	}
	return ""
}

// body writes the fields of a request's body.
func (r *reference) body(s *huma.Schema) {
	if s.Ref == "" || strings.HasSuffix(s.Ref, "/TaskSpec") {
		r.printf("\n"+r.words.takes+"\n", r.kind(s))
		return
	}
	r.printf("\n%s\n|---|---|---|---|\n", r.words.body)
	s = r.api.Components.Schemas.SchemaFromRef(s.Ref)
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		field := s.Properties[name]
		r.printf("| `%s` | %s | %s | %s |\n", name, r.kind(field), r.yes(slices.Contains(s.Required, name)), cell(r.say(field.Description)))
	}
}

// kind returns the type of a schema, with a link if the page describes it.
func (r *reference) kind(s *huma.Schema) string {
	w := &r.words
	switch {
	case s.Ref != "":
		name := s.Ref[strings.LastIndex(s.Ref, "/")+1:]
		r.types[name] = true
		return fmt.Sprintf("[%s](#%s)", name, anchor(fmt.Sprintf(w.typed, name)))
	case len(s.OneOf) > 0:
		var kinds []string
		for _, one := range s.OneOf {
			kinds = append(kinds, r.kind(one))
		}
		return strings.Join(kinds, w.or)
	case len(s.Enum) > 0 && len(s.Enum) <= 6:
		var values []string
		for _, value := range s.Enum {
			if value != "" {
				values = append(values, fmt.Sprintf("`%v`", value))
			}
		}
		return strings.Join(values, ", ")
	case s.Type == "array":
		return fmt.Sprintf(w.list, r.kind(s.Items))
	case s.Type == "object":
		if more, ok := s.AdditionalProperties.(*huma.Schema); ok && more.Type != "" {
			return fmt.Sprintf(w.table, r.kind(more))
		}
		return w.kinds["object"]
	case s.Format == "date-time":
		return w.kinds["time"]
	case strings.Contains(s.Pattern, "ms|s|m|h"):
		return w.kinds["duration"]
	case s.Type == "":
		return w.kinds["any"]
	}
	return w.kinds[s.Type]
}

// request returns the command that sends a request.
func request(op *huma.Operation) string {
	path := op.Path
	for _, p := range op.Parameters {
		path = strings.ReplaceAll(path, "{"+p.Name+"}", fmt.Sprint(p.Example))
	}
	command := "curl"
	if op.Method != "GET" {
		command += " -X " + op.Method
	}
	if roleOf(op) != "" {
		command += ` -H "$AUTH"`
	}
	if op.OperationID == "follow" {
		command += " -N"
	}
	if op.RequestBody == nil {
		return command + " $URL" + path
	}
	body, _ := op.RequestBody.Content["application/json"].Example.(json.RawMessage)
	return command + " -H 'Content-Type: application/json' \\\n  -d '" + string(body) + "' \\\n  $URL" + path
}

// statuses writes what each status of an error means.
func (r *reference) statuses() {
	meanings := map[string]string{}
	for _, tag := range r.api.Tags {
		for _, op := range r.operations(tag.Name) {
			for code, response := range op.Responses {
				if status, err := strconv.Atoi(code); err == nil && status >= 400 {
					meanings[code] = response.Description
				}
			}
		}
	}
	r.printf("\n## %s\n\n%s\n|---|---|\n", r.words.statuses, r.words.statusHead)
	for _, code := range slices.Sorted(maps.Keys(meanings)) {
		r.printf("| %s | %s |\n", code, cell(r.say(meanings[code])))
	}
}

// schemas writes the types that the page has links to, and those that these have links to.
func (r *reference) schemas() {
	r.types["ErrorModel"], r.types["Update"] = true, true
	r.printf("\n## %s\n\n%s\n", r.words.types, r.words.typesIntro)
	tables := map[string]string{}
	for len(tables) < len(r.types) {
		for name := range maps.Clone(r.types) {
			if tables[name] == "" {
				tables[name] = r.schema(name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		r.printf("\n### "+r.words.typed+"\n\n%s", name, tables[name])
	}
}

// schema returns the table of a type.
func (r *reference) schema(name string) string {
	if name == "TaskSpec" {
		return r.words.spec + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n|---|---|---|\n", r.words.data)
	s := r.api.Components.Schemas.Map()[name]
	for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
		of := s.Properties[field]
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", field, r.kind(of), cell(r.say(of.Description)))
	}
	return b.String()
}

// cell returns a text as a cell of a table has it.
func cell(text string) string { return strings.NewReplacer("|", "\\|", "<", "&lt;").Replace(text) }

func title(name string) string {
	first, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(first)) + name[size:]
}

// anchor returns where a link to a heading leads.
func anchor(heading string) string {
	return strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(heading, "'", "")), " ", "-")
}

// Every request of the page is sent, by curl, to a cluster of three nodes that runs: reads are answered, and writes are done.
func TestReferenceRequests(t *testing.T) {
	url := serveCluster(t)
	r := &reference{api: httpapi.New(nil, httpapi.Options{}).OpenAPI()}
	elsewhere := map[string]string{ // requests that are not complete without what an earlier answer had, or what the cluster is
		"apply-plan":  "412", // the revision is that of no plan
		"login":       "401", // the token is not the node's
		"move-worker": "409", // the worker is there, or the plan would not leave it there
	}
	var reads, writes []*huma.Operation // reads first, while the cluster is as they expect it
	for _, tag := range r.api.Tags {
		for _, op := range r.operations(tag.Name) {
			if op.Method == http.MethodGet {
				reads = append(reads, op)
			} else {
				writes = append(writes, op)
			}
		}
	}
	for _, op := range append(reads, writes...) {
		other, may := elsewhere[op.OperationID]
		status := ""
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			status = curl(t, url, request(op))
			moving := status == "404" || status == "409" // the request before may have the worker on its way
			if status < "3" || may && status == other || !moving || time.Now().After(end) {
				break
			}
		}
		if op.Responses[status] == nil || status >= "3" && (!may || status != other) {
			t.Errorf("%s: status %s of\n%s", op.OperationID, status, request(op))
		}
	}
	if len(reads) < 20 || len(writes) < 20 {
		t.Errorf("only %d reads and %d writes were sent", len(reads), len(writes))
	}
}

// curl runs a command of the page, and returns the status of the answer. An answer without an end is cut.
func curl(t *testing.T, url, command string) string {
	t.Helper()
	endless, longest := strings.Contains(command, "/stream"), 30
	if endless {
		longest = 1
	}
	script := fmt.Sprintf(`curl() { command curl -sS --max-time %d -o /dev/null -w '%%{http_code}' "$@"; }
URL=%s
AUTH="Authorization: Bearer "
%s`, longest, url, command)
	out, err := exec.CommandContext(t.Context(), "bash", "-c", script).CombinedOutput()
	text := string(out)
	if err != nil && !endless {
		t.Errorf("%s: %v: %s", command, err, text)
	}
	return text[max(0, len(text)-3):]
}

// serveCluster runs three nodes with the tasks that the requests name, and returns the address of the first one's API.
func serveCluster(t *testing.T) string {
	t.Helper()
	service := mem.New(mem.Config{})
	ctx, leave := context.WithCancel(context.Background())
	t.Cleanup(leave)
	var first *xconsumer.Node
	for i := range 3 {
		node, err := xconsumer.New(service.Client(), xconsumer.Config{
			Cluster: "shop", Name: fmt.Sprintf("n%d", i+1), Log: slog.New(slog.DiscardHandler),
			Tasks: []cluster.TaskSpec{
				{Name: "test01", WorkName: "test01", WorkerNum: 3, Require: "node=n1"}, // whose log and stacks no other node is asked for
				{Name: "nightly", WorkName: "test02", WorkerNum: 2, Schedule: "0 2 * * *"},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, work := range []string{"test01", "test02"} {
			node.Handle(work, func(ctx context.Context, w *xconsumer.Worker) error {
				w.Logger().Info("begins")
				<-ctx.Done()
				return nil
			})
		}
		ran := make(chan error, 1)
		go func() { ran <- node.Run(ctx) }()
		t.Cleanup(func() {
			leave()
			if err := <-ran; err != nil {
				t.Error(err)
			}
		})
		if first == nil {
			first = node
		}
	}
	server := apinode.Serve(t, first.Admin(), httpapi.Options{Log: slog.New(slog.DiscardHandler)})
	asker := clientOf(t, server.URL)
	until := time.Now().Add(30 * time.Second)
	for {
		state, _, err := asker.State(t.Context())
		if running, _ := state.Tally(); err == nil && running == 3 && len(state.Nodes) == 3 {
			return server.URL
		}
		if time.Now().After(until) {
			t.Fatalf("the workers do not run: %+v, %v", state, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
