package app

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
)

// fileConfig is app.toml. Durations are text here, so that a mistake in one is told like any
// other, with its place.
type fileConfig struct {
	Cluster string `toml:"cluster"`
	Node    struct {
		Name     string            `toml:"name"`
		Labels   map[string]string `toml:"labels"`
		Weight   int64             `toml:"weight"`
		Capacity int64             `toml:"capacity"`
	} `toml:"node"`
	ZooKeeper zookeeperConfig `toml:"zookeeper"`
	Etcd      etcdConfig      `toml:"etcd"`
	HTTP      struct {
		Listen     string `toml:"listen"`
		Advertise  string `toml:"advertise"`
		SecretFile string `toml:"secretFile"`
	} `toml:"http"`
	Leader struct {
		Workers string `toml:"workers"`
	} `toml:"leader"`
	Moving struct {
		MaxMoving   int64   `toml:"maxMoving"`
		LeaveDelay  string  `toml:"leaveDelay"`
		FreezeAbove float64 `toml:"freezeAbove"`
		FreezeFor   string  `toml:"freezeFor"`
	} `toml:"moving"`
	Log struct {
		Keep string `toml:"keep"`
	} `toml:"log"`
	Works []fileWork `toml:"work"`
	Tasks []fileTask `toml:"task"`
}

type fileWork struct {
	Name    string            `toml:"name"`
	Command []string          `toml:"command"`
	Dir     string            `toml:"dir"`
	Env     map[string]string `toml:"env"`
	User    string            `toml:"user"`
}

type zookeeperConfig struct {
	Host           string    `toml:"host"`
	SessionTimeout string    `toml:"sessionTimeout"`
	TickTime       string    `toml:"tickTime"`
	Username       string    `toml:"username"`
	Password       string    `toml:"password"`
	PasswordFile   string    `toml:"passwordFile"`
	TLS            tlsConfig `toml:"tls"`
}

type etcdConfig struct {
	Endpoints      []string  `toml:"endpoints"`
	Prefix         string    `toml:"prefix"`
	SessionTimeout string    `toml:"sessionTimeout"`
	Username       string    `toml:"username"`
	Password       string    `toml:"password"`
	PasswordFile   string    `toml:"passwordFile"`
	TLS            tlsConfig `toml:"tls"`
}

type tlsConfig struct {
	CA         string `toml:"ca"`
	Cert       string `toml:"cert"`
	Key        string `toml:"key"`
	ServerName string `toml:"serverName"`
}

type fileTask struct {
	Name        string `toml:"name"`
	WorkName    string `toml:"workName"`
	WorkerNum   int64  `toml:"workerNum"`
	StopTimeout string `toml:"stopTimeout"`

	Interval       string         `toml:"interval"`
	Params         map[string]any `toml:"params"`
	Require        string         `toml:"require"`
	Prefer         string         `toml:"prefer"`
	Spread         string         `toml:"spread"`
	MaxPerNode     int64          `toml:"maxPerNode"`
	Weight         int64          `toml:"weight"`
	MaxUnavailable int64          `toml:"maxUnavailable"`
	Paused         bool           `toml:"paused"`

	Restart struct {
		Backoff    string `toml:"backoff"`
		MaxBackoff string `toml:"maxBackoff"`
		Max        int64  `toml:"max"`
		Elsewhere  int64  `toml:"elsewhere"`
	} `toml:"restart"`
	WhenDisconnected string `toml:"whenDisconnected"`
	Mode             string `toml:"mode"`
	Schedule         string `toml:"schedule"`
	TimeZone         string `toml:"timeZone"`
	Every            string `toml:"every"`
	Misfire          string `toml:"misfire"`
	Overlap          string `toml:"overlap"`
	MaxAttempts      int64  `toml:"maxAttempts"`
	Timeout          string `toml:"timeout"`
	KeepRuns         int64  `toml:"keepRuns"`
}

// knownKeys are all keys of app.toml. Keys are told apart by case, which the decoder does not.
var knownKeys = map[string]bool{
	"cluster": true, "node": true, "node.name": true, "node.labels": true, "node.weight": true, "node.capacity": true,
	"zookeeper": true, "zookeeper.host": true, "zookeeper.sessionTimeout": true, "zookeeper.tickTime": true,
	"zookeeper.username": true, "zookeeper.password": true, "zookeeper.passwordFile": true,
	"zookeeper.tls": true, "zookeeper.tls.ca": true, "zookeeper.tls.cert": true, "zookeeper.tls.key": true, "zookeeper.tls.serverName": true,
	"etcd": true, "etcd.endpoints": true, "etcd.prefix": true, "etcd.sessionTimeout": true,
	"etcd.username": true, "etcd.password": true, "etcd.passwordFile": true,
	"etcd.tls": true, "etcd.tls.ca": true, "etcd.tls.cert": true, "etcd.tls.key": true, "etcd.tls.serverName": true,
	"http": true, "http.listen": true, "http.advertise": true, "http.secretFile": true, "leader": true, "leader.workers": true,
	"work": true, "work.name": true, "work.command": true, "work.dir": true, "work.env": true, "work.user": true,
	"log": true, "log.keep": true,
	"task": true, "task.name": true, "task.workName": true, "task.workerNum": true, "task.stopTimeout": true,
	"task.interval": true, "task.params": true, "task.require": true, "task.prefer": true, "task.spread": true, "task.maxPerNode": true, "task.weight": true,
	"task.maxUnavailable": true, "task.paused": true,
	"task.restart": true, "task.restart.backoff": true, "task.restart.maxBackoff": true, "task.restart.max": true, "task.restart.elsewhere": true,
	"task.whenDisconnected": true, "task.mode": true, "task.schedule": true, "task.timeZone": true, "task.every": true, "task.misfire": true,
	"task.overlap": true, "task.maxAttempts": true, "task.timeout": true, "task.keepRuns": true,
	"moving": true, "moving.maxMoving": true, "moving.leaveDelay": true, "moving.freezeAbove": true, "moving.freezeFor": true,
}

// plainTables are the tables that end a [[task]] or [[work]] before them.
var plainTables = []string{"log", "node", "node.labels", "moving", "zookeeper", "zookeeper.tls", "etcd", "etcd.tls", "http", "leader"}

// configFile is a file as read: its content, and where everything stands in it.
type configFile struct {
	path   string
	config fileConfig
	tables []table
	keys   map[string]place // "zookeeper.host", "task[0].workerNum"
	errs   []placedError
}

type place struct{ line, column int }

type placedError struct {
	place
	text string
}

// table is a [[task]] or [[work]] header.
type table struct {
	kind string // "task", "work"
	n    int    // its place among those of its kind, from 0
	line int
	name string // of the task or work, as far as it could be read
}

// readConfigFile reads a file. The mistakes in it are gathered, one message each; only what is
// no TOML at all ends the reading.
func readConfigFile(path string) (*configFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errConfig, err)
	}
	f := &configFile{path: path, keys: map[string]place{}}
	f.index(data)
	f.unknown()
	if !f.decode(data) {
		return nil, f.err()
	}
	return f, nil
}

// index notes where the keys are.
func (f *configFile) index(data []byte) {
	var p unstable.Parser
	p.Reset(data)
	prefix := ""
	for p.NextExpression() {
		e := p.Expression()
		path, at := keyOf(&p, e)
		switch e.Kind {
		case unstable.Table:
			prefix = path + "."
			if kind, rest, nested := strings.Cut(path, "."); nested && f.count(kind) > 0 { // [work.env]
				prefix = fmt.Sprintf("%s[%d].%s.", kind, f.count(kind)-1, rest)
			}
			f.keys[strings.TrimSuffix(prefix, ".")] = at
		case unstable.ArrayTable:
			prefix = path + "."
			if path == "task" || path == "work" {
				n := f.count(path)
				prefix = fmt.Sprintf("%s[%d].", path, n)
				f.tables = append(f.tables, table{kind: path, n: n, line: at.line})
				f.keys[strings.TrimSuffix(prefix, ".")] = at
			}
		case unstable.KeyValue:
			f.keys[prefix+path] = at
			path = prefix + path
			if v := e.Value(); isNumbered(prefix) && path == prefix+"name" && v.Kind == unstable.String {
				f.tables[len(f.tables)-1].name = string(v.Data)
			}
		}
	}
}

// count counts the [[task]] or [[work]] headers so far.
func (f *configFile) count(kind string) (n int) {
	for _, t := range f.tables {
		if t.kind == kind {
			n++
		}
	}
	return n
}

// isNumbered tells whether a key is one of a [[task]] or [[work]].
func isNumbered(key string) bool {
	return strings.HasPrefix(key, "task[") || strings.HasPrefix(key, "work[")
}

// header returns the line of the nth header of a kind.
func (f *configFile) header(kind string, n int) int {
	for _, t := range f.tables {
		if t.kind == kind && t.n == n {
			return t.line
		}
	}
	return 0
}

func keyOf(p *unstable.Parser, e *unstable.Node) (path string, at place) {
	var parts []string
	for it := e.Key(); it.Next(); {
		n := it.Node()
		if at.line == 0 {
			start := p.Shape(n.Raw).Start
			at = place{start.Line, start.Column}
		}
		parts = append(parts, string(n.Data))
	}
	return strings.Join(parts, "."), at
}

// unknown notes the keys that there are not. It comes after index, so that tasks have names.
func (f *configFile) unknown() {
	for key, at := range f.keys {
		plain := key
		if isNumbered(key) {
			_, rest, _ := strings.Cut(key, "]")
			plain = key[:len("task")] + rest
		}
		above, _, nested := cutLast(plain)
		if strings.HasPrefix(plain, "node.labels.") || strings.HasPrefix(plain, "task.params.") || strings.HasPrefix(plain, "work.env.") {
			continue // any label, any parameter, any variable
		}
		if knownKeys[plain] || nested && !knownKeys[above] && f.keys[above] != (place{}) {
			continue // known, or below a table that is told of already
		}
		text := fmt.Sprintf("unknown key %q", lastPart(plain))
		if near := nearest(plain); near != "" {
			text += fmt.Sprintf(", did you mean %q?", near)
		}
		f.fail(at, text)
	}
}

// decode fills in the config. The decoder stops at the first value of a wrong type: its line is
// then taken out and the rest read again, until all such mistakes are known. It tells whether the
// file is TOML at all.
func (f *configFile) decode(data []byte) bool {
	for range 100 {
		f.config = fileConfig{}
		d := toml.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		err := d.Decode(&f.config)
		if err == nil {
			return true
		}
		if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
			for i := range strict.Errors { // those in inline tables; the others are told already
				line, column := strict.Errors[i].Position()
				if at := (place{line, column}); !f.told(at) {
					f.fail(at, fmt.Sprintf("unknown key %q", strings.Join(strict.Errors[i].Key(), ".")))
				}
			}
			return true
		}
		wrong, ok := errors.AsType[*toml.DecodeError](err)
		if !ok {
			f.errs = append(f.errs, placedError{place{1, 1}, err.Error()})
			return false
		}
		line, column := wrong.Position()
		text := wrongType.ReplaceAllString(strings.TrimPrefix(wrong.Error(), "toml: "), "want $2, got $1")
		text = strings.Replace(text, "want int64", "want integer", 1)
		text = strings.Replace(text, "want []string", "want an array of strings", 1)
		key := f.keyAt(line)
		if key != "" {
			text = fmt.Sprintf("%s: %s", lastPart(key), text)
		}
		f.fail(place{line, column}, text)
		lines := bytes.SplitAfter(data, []byte("\n"))
		if key == "" || line > len(lines) {
			return false
		}
		lines[line-1] = []byte("\n")
		data = bytes.Join(lines, nil)
	}
	return false
}

// told tells whether a mistake at a place was noted already.
func (f *configFile) told(at place) bool {
	return slices.ContainsFunc(f.errs, func(e placedError) bool { return e.place == at })
}

// fail notes a mistake, with the name of the task or work that it is in.
func (f *configFile) fail(at place, text string) {
	owner := -1
	for i, t := range f.tables {
		if t.line <= at.line {
			owner = i
		}
	}
	if owner >= 0 && f.inTask(at.line, owner) {
		if t := f.tables[owner]; t.name != "" {
			text = fmt.Sprintf("%s %q: %s", t.kind, t.name, text)
		} else {
			text = fmt.Sprintf("%s %d: %s", t.kind, t.n+1, text)
		}
	}
	f.errs = append(f.errs, placedError{at, text})
}

// inTask tells whether a line below a [[task]] or [[work]] header still belongs to it.
func (f *configFile) inTask(line, owner int) bool {
	for key, at := range f.keys {
		if slices.Contains(plainTables, key) && at.line > f.tables[owner].line && at.line <= line {
			return false
		}
	}
	return true
}

// at returns the place of a key, or of the nearest thing above it.
func (f *configFile) at(key string) place {
	for {
		if p, ok := f.keys[key]; ok {
			return p
		}
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return place{1, 1}
		}
		key = key[:i]
	}
}

func (f *configFile) keyAt(line int) string {
	for key, at := range f.keys {
		if at.line == line && !strings.HasSuffix(key, "]") {
			return key
		}
	}
	return ""
}

// tasks returns the declarations, noting every mistake in them.
func (f *configFile) tasks() []cluster.TaskSpec {
	var specs []cluster.TaskSpec
	seen := map[string]int{}
	for i, t := range f.config.Tasks {
		key := fmt.Sprintf("task[%d]", i)
		spec := cluster.TaskSpec{Name: t.Name, WorkName: t.WorkName, WorkerNum: int(t.WorkerNum)}
		spec.StopTimeout = cluster.Duration(f.duration(key+".stopTimeout", t.StopTimeout))
		spec.Interval = cluster.Duration(f.duration(key+".interval", t.Interval))
		var err error
		if spec.Params, err = cluster.NewParams(t.Params); err != nil {
			f.fail(f.at(key+".params"), err.Error())
		}
		spec.Require, spec.Prefer, spec.Spread = cluster.Selector(t.Require), cluster.Selector(t.Prefer), t.Spread
		spec.MaxPerNode, spec.Weight, spec.MaxUnavailable = int(t.MaxPerNode), int(t.Weight), int(t.MaxUnavailable)
		spec.Paused = t.Paused
		f.runsOf(key, &t, &spec)
		bad := f.zeros(key, "maxPerNode", "weight", "maxUnavailable")
		for _, e := range split(schedule.Validate(spec)) {
			name, _, _ := strings.Cut(e.Error(), ":")
			f.fail(f.at(key+"."+name), e.Error())
			bad = true
		}
		if first, ok := seen[t.Name]; ok && t.Name != "" {
			f.fail(f.at(key+".name"), fmt.Sprintf("name: the same as that of task %d in line %d", first+1, f.header("task", first)))
		} else {
			seen[t.Name] = i
		}
		if !bad {
			specs = append(specs, spec)
		}
	}
	return specs
}

// runsOf reads what becomes of workers that fail, and of those that run to their end.
func (f *configFile) runsOf(key string, t *fileTask, spec *cluster.TaskSpec) {
	spec.Restart = cluster.Restart{
		Backoff:    cluster.Duration(f.duration(key+".restart.backoff", t.Restart.Backoff)),
		MaxBackoff: cluster.Duration(f.duration(key+".restart.maxBackoff", t.Restart.MaxBackoff)),
		Max:        int(t.Restart.Max), Elsewhere: int(t.Restart.Elsewhere),
	}
	spec.WhenDisconnected = cluster.WhenDisconnected(t.WhenDisconnected)
	spec.Mode, spec.Schedule, spec.TimeZone = cluster.Mode(t.Mode), t.Schedule, t.TimeZone
	spec.Every = cluster.Duration(f.duration(key+".every", t.Every))
	spec.Timeout = cluster.Duration(f.duration(key+".timeout", t.Timeout))
	spec.Misfire, spec.Overlap = cluster.Misfire(t.Misfire), cluster.Overlap(t.Overlap)
	spec.MaxAttempts, spec.KeepRuns = int(t.MaxAttempts), int(t.KeepRuns)
}

// zeros notes keys that are given as 0, where leaving them out is what is meant. It tells whether there
// are any.
func (f *configFile) zeros(table string, names ...string) (any bool) {
	values := map[string]int64{
		"node.weight": f.config.Node.Weight, "node.capacity": f.config.Node.Capacity, "moving.maxMoving": f.config.Moving.MaxMoving,
	}
	for i, t := range f.config.Tasks {
		key := fmt.Sprintf("task[%d].", i)
		values[key+"maxPerNode"], values[key+"weight"], values[key+"maxUnavailable"] = t.MaxPerNode, t.Weight, t.MaxUnavailable
	}
	for _, name := range names {
		key := table + "." + name
		if f.has(key) && !f.wrongType(key) && values[key] == 0 {
			text := "leave it out for no limit"
			if name == "weight" {
				text = "leave it out for 1"
			}
			f.fail(f.keys[key], name+": 0 would let nothing run or move; "+text)
			any = true
		}
	}
	return any
}

// duration reads a duration, noting a mistake in it; "" is 0.
func (f *configFile) duration(key, text string) time.Duration {
	if text == "" {
		return 0
	}
	var d cluster.Duration
	err := d.UnmarshalText([]byte(text))
	if err == nil && d <= 0 {
		err = fmt.Errorf("%s is not more than 0s", d)
	}
	f.check(key, err)
	if err != nil {
		return 0
	}
	return time.Duration(d)
}

// err returns the mistakes, one a line, in the order of the file.
func (f *configFile) err() error {
	if len(f.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(f.errs, func(a, b placedError) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	var lines []string
	for _, e := range f.errs {
		if e.line == 0 { // from a flag or the environment, or missing altogether
			lines = append(lines, e.text)
			continue
		}
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s", f.path, e.line, e.column, e.text))
	}
	return configError{strings.Join(slices.Compact(lines), "\n")}
}

// configError is a list of mistakes that needs no prefix. It matches errConfig.
type configError struct{ text string }

func (e configError) Error() string        { return e.text }
func (e configError) Is(target error) bool { return target == errConfig }

// split returns the parts of a joined error.
func split(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// wrongType is how the decoder says that a value is of another type than its key's.
var wrongType = regexp.MustCompile(`^cannot decode TOML (\w+) into struct field \S+ of type (\[?\]?\w+)$`)

func cutLast(key string) (above, last string, found bool) {
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		return key[:i], key[i+1:], true
	}
	return "", key, false
}

func lastPart(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// nearest returns a known key of the same table that differs from a mistyped one by a letter or
// two.
func nearest(key string) string {
	above, last, _ := cutLast(key)
	best, bestDistance := "", min(3, len(last))
	for _, known := range slices.Sorted(maps.Keys(knownKeys)) {
		knownAbove, knownLast, _ := cutLast(known)
		if d := distance(strings.ToLower(last), strings.ToLower(knownLast)); knownAbove == above && d < bestDistance {
			best, bestDistance = knownLast, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or replace (Wagner and Fischer, 1974).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
